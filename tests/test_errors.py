import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack import errors
from aistack.errors import MissingExtra, UnknownName, nearest

KNOWN = ["h100-sxm5", "h100-pcie", "h200-sxm", "mi300x", "llama-3.1-405b"]


def test_the_nearest_names_are_those_meant() -> None:
    assert set(nearest("h100", KNOWN)[:2]) == {"h100-sxm5", "h100-pcie"}
    assert nearest("mi30x", KNOWN)[0] == "mi300x"
    assert nearest("LLAMA-3.1-405", KNOWN)[0] == "llama-3.1-405b"
    assert nearest("zzzzzz", KNOWN) == ()


@given(st.text(), st.lists(st.text(), max_size=20))
def test_nearest_never_fails_and_only_offers_what_there_is(name: str, known: list[str]) -> None:
    offered = nearest(name, known)
    assert len(offered) <= 3 and set(offered) <= set(known)


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    errors.require("lab", "The dive")
    monkeypatch.setitem(errors.EXTRAS, "lab", ("torch", "no_such_module"))
    with pytest.raises(MissingExtra, match=r"The dive needs the 'lab' extra.*pip install 'aistack\[lab\]'"):
        errors.require("lab", "The dive")


def test_the_extras_are_those_of_the_project() -> None:
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    names = {"markdown_it_py": "markdown_it"}

    def declared(extra: str) -> set[str]:
        found = set()
        for item in project["optional-dependencies"][extra]:
            name = item.split(">")[0].split("=")[0].replace("-", "_")
            found |= declared(name[len("aistack[") : -1]) if name.startswith("aistack[") else {names.get(name, name)}
        return found

    for extra, modules in errors.EXTRAS.items():
        assert set(modules) == declared(extra)


def test_the_message_offers_them() -> None:
    assert str(UnknownName("accelerator", "mi30x", KNOWN)) == "There is no accelerator named 'mi30x'. Nearest: mi300x."
