"""The process that runs a chapter's code: blocks and exercises come in as JSON, what they did goes out as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import sys
import traceback
from typing import Any


def main() -> None:
    """Run what standard input says; whatever code prints to file descriptors themselves is kept off the answer."""
    asked = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    outputs: dict[str, str] = {}
    failures: dict[str, str] = {}
    namespace: dict[str, Any] = {"__name__": "__main__"}
    _seed()
    for block in asked["blocks"]:
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                _execute(block["source"], block["name"], namespace)
        except BaseException as error:
            failures[block["name"]] = _said(error, block["name"])
            break
        outputs[block["name"]] = printed.getvalue()
    for block in asked["blocks"]:
        if block["name"] not in outputs:
            failures.setdefault(block["name"], "a block before it fails")
    for exercise in asked["exercises"]:
        if (wrong := _judge(exercise)) is not None:
            failures[exercise["name"]] = wrong
    modules = sorted(
        path
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == "aistack" and (path := getattr(module, "__file__", None))
    )
    json.dump({"outputs": outputs, "failures": failures, "modules": modules}, answer)
    answer.close()


def _judge(exercise: dict[str, Any]) -> str | None:
    """What is wrong with an exercise: its starter must fail its check, its solution must pass."""
    failed = _fails(exercise["starter"], exercise["check"])
    if failed is None:
        return "the starter passes its check, so there is nothing left to do"
    failed = _fails(exercise["solution"], exercise["check"])
    return None if failed is None else f"the solution fails its check: {failed}"


def _fails(source: str, check: str) -> str | None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    _seed()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            _execute(source, "exercise", namespace)
            _execute(check, "check", namespace)
    except Exception as error:
        return _said(error, "check")
    return None


def _execute(source: str, name: str, namespace: dict[str, Any]) -> None:
    exec(compile(source, f"<{name}>", "exec"), namespace)


def _seed() -> None:
    import numpy as np

    random.seed(0)
    np.random.seed(0)


def _said(error: BaseException, name: str) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == f"<{name}>"]
    place = f" (line {lines[-1]} of the block)" if lines else ""
    return f"{type(error).__name__}: {error}{place}"


if __name__ == "__main__":
    main()
