#!/usr/bin/env python3
"""Measures the code: sizes, circles, folders, names, and in how many files one thing stands.

    python tests/tools/measure.py [--tree CHECKOUT] [--json]

Two checkouts can be compared; `tests/test_house.py` holds the limits.
"""

import argparse
import json
import sys
from pathlib import Path

if not __package__:  # run as a file, with its own folder on the path alone
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.figures import Figures

ROOT = Path(__file__).parents[2]


def table(figures: Figures) -> str:
    """One line a figure; below one of many things, a line for each with its modules."""
    lines = []
    for name, value in figures.as_dict().items():
        if not isinstance(value, dict | list):
            lines.append(f"{name:28}{value:>8}")
            continue
        lines.append(f"{name:28}{len(value):>8}")
        things = value.items() if isinstance(value, dict) else enumerate(value, 1)
        lines.extend(f"    {thing:40} {_told(told)}" for thing, told in things)
    return "\n".join(lines)


def _told(value: int | str | list[str]) -> str:
    if not isinstance(value, list):
        return str(value)
    return f"{len(value):>3}  " + " ".join(name.removeprefix("upscaled.") for name in value)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tree", type=Path, default=ROOT, help="another checkout")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    try:
        figures = Figures(options.tree)
    except FileNotFoundError as missing:
        sys.exit(f"{missing}: --tree takes the folder of a checkout")
    print(json.dumps(figures.as_dict(), indent=2) if options.json else table(figures))


if __name__ == "__main__":
    main()
