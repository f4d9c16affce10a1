"""Reading: every kind of file gives its documents, every kind of damage is counted by its name and nothing is fatal."""

import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from aistack.errors import BadInput
from aistack.frameworks.funnel import Step
from aistack.frameworks.lab.data import read as reading
from aistack.frameworks.lab.data.collection import collect
from aistack.frameworks.lab.data.given import given
from aistack.frameworks.lab.data.piece import Piece
from aistack.frameworks.lab.data.read import read

Prose = Callable[[int, int], str]


def read_all(*paths: Path) -> tuple[list[tuple[str, str]], Step, Step]:
    pieces, files = given(paths)
    step = Step("read")
    return [(document.id, document.text) for piece in pieces for document in read(piece, step)], step, files


def reasons(step: Step) -> dict[str, int]:
    return {reason: amount.documents for reason, amount in step.dropped.items()}


def test_each_kind_of_file_gives_its_documents(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("plain text")
    (folder / "deep" / "b.md").write_text("# marked down\n")
    (folder / "c.py").write_text('"""Module."""\nclass C:\n    """Class."""\n    def f(self):\n        "Method."\n')
    (folder / "d.jsonl").write_text('{"text": "one"}\n\n{"content": "two", "other": 3}\n')
    pq.write_table(pa.table({"id": ["x", "y"], "text": ["three", "four"]}), folder / "e.parquet")
    documents, step, files = read_all(folder)
    assert dict(documents) == {
        "notes/a.txt": "plain text",
        "notes/deep/b.md": "# marked down\n",
        "notes/c.py": "Module.",
        "notes/c.py:C": "Class.",
        "notes/c.py:C.f": "Method.",
        "notes/d.jsonl:1": "one",
        "notes/d.jsonl:3": "two",
        "notes/e.parquet@0:1": "three",
        "notes/e.parquet@0:2": "four",
    }
    assert step.kept.documents == 9 and not step.dropped
    assert files.kept.documents == 5 and not files.dropped


def test_parquet_takes_the_longest_text_column_where_none_is_named_so(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"key": [str(n) for n in range(9)], "body": [f"{n} " * 99 for n in range(9)], "n": list(range(9))})
    pq.write_table(table, path, row_group_size=4)
    documents, _, _ = read_all(path)
    assert [text for _, text in documents] == [f"{n} " * 99 for n in range(9)]
    assert len({name for name, _ in documents}) == 9


def test_broken_files_of_each_kind_are_counted_and_skipped(tmp_path: Path) -> None:
    good = tmp_path / "good.txt"
    good.write_text("all is well")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(b"MZ\0\1\2" * 100)
    (tmp_path / "latin.txt").write_bytes("déjà vu, très cher".encode("latin-1"))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "null.jsonl").write_text('{"text": "fine"}\n{"text": 3}\n[1]\n{"tex')
    table = tmp_path / "cut.parquet"
    pq.write_table(pa.table({"text": ["one"] * 100}), table)
    table.write_bytes(table.read_bytes()[:-20])
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "numbers.parquet")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.txt")
    documents, step, files = read_all(tmp_path)
    assert sorted(text for _, text in documents) == ["all is well", "fine"]
    assert reasons(step) == {
        "broken encoding": 1,
        "Python that does not parse": 1,
        "JSON without a text in 'text' or 'content'": 2,
        "broken JSON": 1,
    }
    assert reasons(files) == {
        "empty": 1,
        "binary": 1,
        "kind that is not read (.png)": 1,
        "Parquet that is cut short or broken": 1,
        "Parquet without a column of text": 1,
        "folder reached before, through a link": 1,
        "broken link or no plain file": 2,
    }


def test_a_parquet_page_that_is_damaged_inside_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"text": [f"line {n}" * 50 for n in range(500)]}), path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[40:400] = bytes(360)
    path.write_bytes(content)
    _, step, _ = read_all(path)
    assert sum(reasons(step).values()) >= 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_without_permission_are_counted(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("hidden")
    (tmp_path / "secret.txt").chmod(0)
    _, _, files = read_all(tmp_path)
    assert reasons(files) == {"cannot be opened": 1}


def test_a_file_that_vanishes_after_it_was_found_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("here")
    pieces, _ = given([path])
    path.unlink()
    step = Step("read")
    assert not list(read(pieces[0], step))
    assert reasons(step) == {"cannot be read": 1}


def test_little_damage_is_repaired_and_much_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"word " * 1000 + b"\xff" + b" word" * 1000)
    documents, _, _ = read_all(path)
    assert documents[0][1].count("\ufffd") == 1
    path.write_bytes(b"word " * 100 + b"\xff\xfe" * 20)
    documents, step, _ = read_all(path)
    assert not documents and reasons(step) == {"broken encoding": 1}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_is_understood(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Grüße aus Köln", encoding=encoding)
    documents, _, _ = read_all(path)
    assert documents[0][1].lstrip("\ufeff") == "Grüße aus Köln"


def test_a_huge_single_line_is_dropped_and_the_next_lines_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST_LINE", 1000)
    path = tmp_path / "a.txt"
    path.write_text("before\n" + "x" * 5000 + "\nafter\n")
    documents, step, _ = read_all(path)
    assert [text for _, text in documents] == ["before\nafter\n"]
    assert [amount.bytes for amount in step.dropped.values()] == [5001]


@settings(max_examples=200)
@over(st.lists(st.text("ab\n", max_size=12)), st.integers(1, 9), st.booleans())
def test_pieces_of_a_file_hold_every_line_once(lines: list[str], step: int, ended: bool) -> None:
    import tempfile

    content = "\n".join(lines).encode() + (b"\n" if ended else b"")
    with tempfile.NamedTemporaryFile(suffix=".txt") as handle:
        handle.write(content)
        handle.flush()
        texts = []
        for start in range(0, len(content), step):
            stop = min(start + step, len(content))
            piece = Piece(Path(handle.name), "lines", "x", "x", "unknown", start, stop, stop - start)
            texts += [document.text for document in read(piece, Step("read"))]
    assert "".join(texts).encode() == content


def test_names_that_are_no_unicode_do_no_harm(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "w") as handle:  # noqa: PTH123
        handle.write("text")
    documents, _, _ = read_all(tmp_path)
    assert json.dumps(documents[0][0], ensure_ascii=False).encode()


def test_a_missing_path_says_what_comes_nearest(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear all")
    with pytest.raises(BadInput, match=r"Nearest in .*letters\.txt"):
        given([tmp_path / "leters.txt"])


def test_nothing_readable_says_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no files"):
        collect([tmp_path])
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(BadInput, match=r"kind that is not read \(\.png\): 1"):
        collect([tmp_path])


def test_two_folders_of_one_name_keep_their_documents_apart(tmp_path: Path) -> None:
    for parent in ("x", "y"):
        (tmp_path / parent / "notes").mkdir(parents=True)
        (tmp_path / parent / "notes" / "a.txt").write_text(parent)
    documents, _, _ = read_all(tmp_path / "x" / "notes", tmp_path / "y" / "notes")
    assert len({name for name, _ in documents}) == 2


def test_installed_documentation_is_parsed_not_imported_and_licensed() -> None:
    collection = collect([])
    by_name = {package.name: package for package in collection.packages}
    assert by_name["numpy"].licence.startswith("BSD-3-Clause") and by_name["numpy"].used
    assert not by_name["tqdm"].used
    sources = {piece.source for piece in collection.pieces}
    assert "python" in sources and "tqdm" not in sources and "aistack" not in sources
    assert len({piece.id for piece in collection.pieces}) == len(collection.pieces)
    textwrap = next(piece for piece in collection.pieces if piece.id == "python/textwrap.py")
    texts = {document.id: document.text for document in read(textwrap, Step("read"))}
    import textwrap as module

    assert texts["python/textwrap.py:dedent"] == inspect.getdoc(module.dedent)
