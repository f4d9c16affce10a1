"""`aistack catalog add`: every problem at once, and hostile files get a clear answer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import aistack
from aistack.catalog import contributions
from aistack.catalog.reading import LARGEST
from aistack.errors import BadInput

FACT = "{value: 8, unit: TB/s, basis: per package, source: TRTLLM, kind: vendor, confidence: docs}"
PEAK = FACT.replace("TB/s", "PFLOP/s").replace("per package", "'dense, per package'")
SOUND = f"""\
# stays where it is
entry: accelerator
id: b400
name: B400
vendor: NVIDIA
architecture: Rubin
year: 2027
status: announced
type: gpu
memory_bandwidth: {FACT}
"""


def problems(folder: Path, text: str | bytes, name: str = "new.yaml") -> tuple[str, ...]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return contributions.examine(path).problems


def test_a_sound_entry_has_no_problems_and_a_place(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text(SOUND)
    found = contributions.examine(path)
    assert found.problems == ()
    (addition,) = found.additions
    assert (addition.what, addition.place) == ("accelerator b400", "catalog/data/accelerators/b400.yaml")


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "entry: accelerator",
            "entry: acelerator",
            "no kind of entry named 'acelerator'. Nearest: accelerator",
        ),
        ("entry: accelerator\n", "", "`entry` is missing"),
        ("id: b400\n", "", "id is missing"),
        ("id: b400", "id: h100-sxm5", "'h100-sxm5' is already there"),
        ("id: b400", "id: ../../etc", "'../../etc' must be made of letters"),
        ("name: B400\n", "", "name is missing"),
        ("year: 2027", "year: soon", "year must be a whole number"),
        ("status: announced", "status: anounced", "'anounced' is not one of shipping, announced; announced?"),
        ("memory_bandwidth:", "memory_bandwith:", "nearest: memory_bandwidth"),
        ("source: TRTLLM, ", "", "memory_bandwidth.source is missing: a value without a source does not load"),
        ("source: TRTLLM", "source: TRTLM", "there is no source 'TRTLM' in sources.yaml. Nearest: TRTLLM"),
        ("kind: vendor", "kind: vender", "memory_bandwidth.kind: 'vender' is not one of vendor, measured"),
        ("unit: TB/s", "unit: TBps", "'TBps' is not a unit"),
        ("unit: TB/s", "unit: TB", "'8 TB' is in B, but this field is in B/s"),
        ("unit: TB/s", "unit: EB/s", "out of the sane range"),
        ("value: 8", "value: '8'", "must not stand in quotes"),
        ("value: 8", "value: [8]", "memory_bandwidth.value must be a number, text, or true or false"),
        ("value: 8", "value: 1e999", "memory_bandwidth.value must be a number"),
        ("value: 8", "value: " + "9" * 400, "too large"),
        ("basis: per package", "basis: per chip", "the basis 'per chip' is not known"),
        ("basis: per package, ", "", "the basis must say one of: per core"),
        (f"memory_bandwidth: {FACT}", "memory_bandwidth: 8 TB/s", "memory_bandwidth must be a mapping"),
        (f"memory_bandwidth: {FACT}", f"peaks: {{bf61: {PEAK}}}", "'bf61' is no key here; nearest: bf16"),
        ("type: gpu", "type: gpu\ncite: everything", "`cite` takes only source"),
        ("type: gpu", "type: [gpu]", "is not one of gpu, tpu"),
        ("status: announced", "status: {}", "is not one of shipping, announced"),
    ],
)
def test_each_problem_is_named(tmp_path: Path, before: str, after: str, problem: str) -> None:
    assert before in SOUND
    found = problems(tmp_path, SOUND.replace(before, after))
    assert any(problem in line for line in found), found
    assert len(found) <= 2, found


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    text = SOUND.replace("name: B400\n", "").replace("status: announced", "status: soon")
    text = text.replace("source: TRTLLM, ", "").replace("unit: TB/s", "unit: TB") + "colour: green\n"
    found = problems(tmp_path, text)
    for problem in ("name is missing", "'soon'", "source is missing", "is in B, but", "'colour' is no key"):
        assert sum(problem in line for line in found) == 1, (problem, found)
    assert len(found) == 5


def test_a_new_source_and_its_entry_come_in_one_file(tmp_path: Path) -> None:
    source = (
        "entry: source\nid: NVIDIA_B400\nabout: NVIDIA datasheet of B400\n"
        "url: https://x.y/z\ndate: '2027-03'\ndated: published\n"
    )
    entry = SOUND.replace("TRTLLM", "NVIDIA_B400")
    assert any("no source 'NVIDIA_B400'" in line for line in problems(tmp_path, entry))
    assert problems(tmp_path, f"{source}---\n{entry}") == ()
    assert any("date" in line for line in problems(tmp_path, source.replace("2027-03", "March")))
    assert any("https" in line for line in problems(tmp_path, source.replace("https://x.y/z", "ftp:x")))


def test_the_same_entry_twice_in_a_file(tmp_path: Path) -> None:
    assert any("accelerator b400 is there twice" in line for line in problems(tmp_path, f"{SOUND}---\n{SOUND}"))


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"
    for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"  \n# nothing\n", "is empty"),
        (b"---\n---\n", "is empty"),
        (LAUGHS.encode(), "anchor or alias"),
        (b"a: !!python/object/apply:os.system ['true']\n", "uses the tag"),
        (b"a: !vault secret\n", "uses the tag"),
        (b"\xff\xfea: 1\n", "not UTF-8"),
        (b"name: caf\xe9\n", "not UTF-8"),
        (b"a: 1\na: 2\n", "'a' is there twice"),
        (b"? [1, 2]\n: 3\n", "a key must be plain text"),
        (b"a: [1, 2\n", "not valid YAML"),
        (b"a: \x00\n", "not valid YAML"),
        (b"\tx: 1\n", "not valid YAML"),
        (b"[" * 100_000, "nested more than"),
        (b"a: " * 3000, "not valid YAML"),
        (b"x" * (LARGEST + 1), "larger than 256 KiB"),
        (b"a: " + b"9" * 5000 + b"\n", "not valid YAML"),
    ],
)
def test_hostile_files(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=says) as caught:
        contributions.examine(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("content", ["- a\n- b\n", "just text\n", "42\n", "a\n---\na: 1\n"])
def test_what_is_no_mapping(tmp_path: Path, content: str) -> None:
    assert problems(tmp_path, content)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        contributions.examine(tmp_path / "nothing.yaml")
    with pytest.raises(BadInput, match="cannot be read"):
        contributions.examine(tmp_path)


def test_rows_of_a_table(tmp_path: Path) -> None:
    header, first = (contributions.DATA / "cloud_prices.csv").read_text().splitlines()[:2]
    assert problems(tmp_path, f"{header}\n{first}\n", "more.csv") == ()
    found = problems(tmp_path, f"{header}\n{first.replace('on-demand', 'on-loan')}\n", "more.csv")
    assert any("pricing" in line for line in found)
    with pytest.raises(BadInput, match="the columns of no table"):
        problems(tmp_path, "a,b\n1,2\n", "more.csv")
    grid = (contributions.DATA / "grids.csv").read_text().splitlines()
    assert any("already a grid" in line for line in problems(tmp_path, f"{grid[0]}\n{grid[1]}\n", "more.csv"))
    fresh = grid[1].replace(grid[1].split(",")[0], "XKX", 1)
    assert problems(tmp_path, f"{grid[0]}\n{fresh}\n", "more.csv") == ()
    absurd = fresh.replace("gCO2e/kWh", "kgCO2e/kWh")
    assert any("sane range" in line for line in problems(tmp_path, f"{grid[0]}\n{absurd}\n", "more.csv"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A source checkout of its own, to write into."""
    package = Path(aistack.__file__).parent
    shutil.copytree(package, tmp_path / "src" / "aistack", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(package.parents[1] / "pyproject.toml", tmp_path)
    return tmp_path


def aistack_in(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from aistack.cli import main; main()", *words],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_written_entries_are_found_again(checkout: Path) -> None:
    latency = (
        "entry: latency\nid: b400-link\nname: B400 link\n"
        "cite: {source: TRTLLM, kind: vendor, confidence: docs}\n"
        "values:\n  value: {value: 0.4, unit: us, basis: one way} # measured where?\n"
    )
    file = checkout / "new.yaml"
    file.write_text(f"{SOUND}---\n{latency}")
    before = (checkout / "src/aistack/catalog/data/latencies.yaml").read_text()
    checked = aistack_in(checkout, "catalog", "add", "new.yaml")
    assert checked.returncode == 0, checked.stderr
    assert "accelerators/b400.yaml" in checked.stdout
    assert not (checkout / "src/aistack/catalog/data/accelerators/b400.yaml").exists()
    written = aistack_in(checkout, "catalog", "add", "new.yaml", "--write")
    assert written.returncode == 0, written.stderr
    after = (checkout / "src/aistack/catalog/data/latencies.yaml").read_text()
    assert after.startswith(before)
    assert "# measured where?" in after
    assert (checkout / "src/aistack/catalog/data/accelerators/b400.yaml").read_text() == SOUND
    assert "8 TB/s" in aistack_in(checkout, "catalog", "show", "b400").stdout
    assert "0.4 us" in aistack_in(checkout, "catalog", "show", "latency/b400-link").stdout
    again = aistack_in(checkout, "catalog", "add", "new.yaml", "--write")
    assert again.returncode == 2
    assert "already there" in again.stderr
    assert yaml.safe_load(after)["b400-link"]["name"] == "B400 link"


def test_nothing_is_written_where_anything_is_wrong(checkout: Path) -> None:
    file = checkout / "new.yaml"
    file.write_text(f"{SOUND}---\nentry: latency\nid: x\n")
    done = aistack_in(checkout, "catalog", "add", "new.yaml", "--write")
    assert done.returncode == 2
    assert "entry 2: name is missing" in done.stderr
    assert not (checkout / "src/aistack/catalog/data/accelerators/b400.yaml").exists()
