import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aistack import files
from aistack.errors import BadInput


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"x": float("nan")})
    with pytest.raises(RuntimeError), files.replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert files.read_json(path) == {"x": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"x": 0})
    code = (
        "import sys; from pathlib import Path; from aistack import files\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; files.write_json(Path(sys.argv[1]), {'x': [n] * 20000}); print(n, flush=True)"
    )
    for pause in (0.0, 0.013, 0.031):
        process = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
        assert len(set(files.read_json(path)["x"])) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"x": 1'])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"broken\.json"):
        files.read_json(path)
    with pytest.raises(BadInput, match="does not exist"):
        files.read_json(tmp_path / "absent.json")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error_of_the_writer(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, files.replacing(tmp_path / "a") as partial:
        partial.symlink_to("/dev/full")
        partial.write_text("x" * 100_000)
    assert caught.value.errno == 28
    assert not list(tmp_path.iterdir())


def test_a_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with files.replacing(tmp_path / "a") as partial:
        partial.touch(0o600)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_sha256_is_that_of_the_standard(tmp_path: Path) -> None:
    # FIPS 180-2, appendix B.1
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
