"""How long `import aistack` and `aistack --help` take above the bare interpreter, warm, medians. Bar: 0.2 s each."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

REPEATS = 15
BAR = 0.2
AISTACK = str(Path(sys.executable).with_name("aistack"))
COMMANDS = {
    "bare interpreter": [sys.executable, "-c", "pass"],
    "import aistack": [sys.executable, "-c", "import aistack"],
    "aistack --help": [AISTACK, "--help"],
    # beyond the bar, for orientation: these read the types of their options
    "aistack catalog --help": [AISTACK, "catalog", "--help"],
    "aistack dive --help": [AISTACK, "dive", "--help"],
}
HELD = ("import aistack", "aistack --help")


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    samples: dict[str, list[float]] = {name: [] for name in COMMANDS}
    # interleaved, so that a slow spell of the machine touches every command alike
    for _ in range(REPEATS + 1):
        for name, command in COMMANDS.items():
            samples[name].append(seconds(command))
    bare = statistics.median(samples["bare interpreter"][1:])
    print(f"{'':24}{'median':>9}{'least':>9}{'most':>9}{'above bare':>12}   bar {BAR} s, {REPEATS} runs each")
    for name, taken in samples.items():
        warm = taken[1:]
        above = statistics.median(warm) - bare
        verdict = "" if name not in HELD else "ok" if above < BAR else "MISSED"
        print(f"{name:24}{statistics.median(warm):9.3f}{min(warm):9.3f}{max(warm):9.3f}{above:12.3f}   {verdict}")


if __name__ == "__main__":
    main()
