"""Limits on the shape of the code: what grows past them is cut, or has a reason here.

`python tests/tools/measure.py` prints the figures.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.figures import Figures

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "daemon" / "upscaled"

MOST = {
    "file_median": 100,
    "file_max": 400,
    "function_max": 75,
    "circles": 0,
    "large_folders": 0,
    "small_with_one_importer": 8,
}
"""Of a figure of `tools.measure`; a line here is a limit, counted as `amount` says."""
ALLOWED_TWICE = {
    "file_names_twice": {
        "__main__": "what `python -m` runs, of the package and of the worker",
        "main": "the entry points of the two programs",
        "run": "`upscaled run`; and one job, which both it and the worker run",
    },
    "class_names_twice": {
        "Check": "classes of the grammar are definitions of the JSON schema, by the users' words",
        "ModelSource": "as above",
        "Retry": "as above",
        "Upscaler": "as above",
    },
}
"""Names that stand for two things, and why."""


def amount(figure: Any) -> float:
    """A number itself; of what stands in files the most files of one; else how many there are."""
    match figure:
        case int() | float():
            return figure
        case dict() if any(isinstance(files, list) for files in figure.values()):
            return max(len(files) for files in figure.values())
    return len(figure)


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures(TESTS.parent)


@pytest.mark.parametrize(("name", "most"), MOST.items())
def test_no_figure_is_over_its_limit(figures: Figures, name: str, most: int) -> None:
    figure = getattr(figures, name)
    assert amount(figure) <= most, figure


@pytest.mark.parametrize(("name", "allowed"), ALLOWED_TWICE.items())
def test_no_name_stands_for_two_things(
    figures: Figures, name: str, allowed: dict[str, str]
) -> None:
    assert getattr(figures, name).keys() == allowed.keys()


def test_each_module_has_its_test_at_the_mirrored_place_or_a_line_that_says_where() -> None:
    lines = (TESTS / "COVERED_BY").read_text(encoding="utf-8").splitlines()
    told = dict(line.split(": ") for line in lines if not line.startswith("#"))
    modules = {
        str(path.relative_to(PACKAGE)): TESTS
        / path.relative_to(PACKAGE).parent
        / f"test_{path.name}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    }
    elsewhere = {module for module, mirrored in modules.items() if not mirrored.exists()}
    assert sorted(told) == sorted(elsewhere)
    assert list(told) == sorted(told)
    assert {test for test in told.values() if not (TESTS / test).exists()} == set()


MakeTree = Callable[[dict[str, str]], Figures]


@pytest.fixture
def made(tmp_path: Path) -> MakeTree:
    """`made(files)` measures a checkout of these; paths are below its package, or from `/`."""

    def make(files: dict[str, str]) -> Figures:
        for name, text in files.items():
            folder = tmp_path if name.startswith("/") else tmp_path / "daemon" / "upscaled"
            path = folder / name.removeprefix("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Figures(tmp_path)

    return make


UNDER_TYPE_CHECKING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


@pytest.mark.parametrize(
    ("statement", "found_by"),
    [
        ("from upscaled import b\n", {"circles_top_level", "circles_with_functions", "circles"}),
        ("def f():\n    from upscaled import b\n", {"circles_with_functions", "circles"}),
        (UNDER_TYPE_CHECKING + "from upscaled.b import g\n", {"circles"}),
        (UNDER_TYPE_CHECKING + "from . import b\n", {"circles"}),
    ],
)
def test_a_circle_is_found_by_what_it_is_made_of(
    made: MakeTree, statement: str, found_by: set[str]
) -> None:
    found = made({"a.py": statement, "b.py": "import upscaled.a\n"})
    ways = {"circles_top_level", "circles_with_functions", "circles"}
    assert {way for way in ways if getattr(found, way)} == found_by
    assert found.circles == [["upscaled.a", "upscaled.b"]]


def test_a_package_is_in_a_circle_only_by_a_name_of_its_own(made: MakeTree) -> None:
    files = {"p/__init__.py": "from .a import X\n", "p/b.py": ""}
    assert made({**files, "p/a.py": "from . import b\n"}).circles == []
    assert made({**files, "p/a.py": "from . import Y\n"}).circles == [
        ["upscaled.p", "upscaled.p.a"]
    ]


def test_names_folders_and_small_modules_are_found(made: MakeTree) -> None:
    heap = {f"heap/m{number}.py": "" for number in range(15)}
    at_the_limit = made({"heap/__init__.py": "", **heap})
    assert at_the_limit.large_folders == {}
    over = {
        "heap/m15.py": "from upscaled.small import Same\nclass Same: ...\n",
        "small.py": "class Same: ...\n",
        "other/m0.py": "from upscaled import large\n",
        "large.py": "\n" * 50,
    }
    found = made(over)
    assert found.large_folders == {"upscaled.heap": 16}
    assert found.file_names_twice == {"m0": ["upscaled.heap.m0", "upscaled.other.m0"]}
    assert found.class_names_twice == {"Same": ["upscaled.heap.m15", "upscaled.small"]}
    assert found.small_with_one_importer == {"upscaled.small": "upscaled.heap.m15"}


def test_lines_of_functions_and_comments_are_counted(made: MakeTree) -> None:
    text = '"""Docs."""\n\n\ndef f():\n    """Two\n    lines."""\n    return "#"  # why\n'
    found = made({"a.py": text, "b.py": "def g(): ...\n"})
    assert (found.files, found.lines, found.file_median) == (2, 8, 4.0)
    assert (found.function_median, found.function_max) == (1.5, 2)
    assert found.comments_per_100_lines == 12.5
    assert (found.docstrings_percent, found.module_docstrings_percent) == (50.0, 50.0)


def test_what_stands_in_many_files_is_found(made: MakeTree) -> None:
    schema = {"$defs": {"Output": {"properties": {"effort": {}}}}}
    found = made(
        {
            "/config/upscaled.schema.json": json.dumps(schema),
            "a.py": '"""The effort of webp."""\nFORM = "WEBP"\n',
            "b.py": 'from upscaled.a import FORM\nprint(FORM.effort, "no webp here")\n',
            "c.py": "def f(effort): ...\n",
            "webp.py": 'KEYS = ["effort"]\n',
        }
    )
    assert found.output_keys == {"effort": ["upscaled.b", "upscaled.c", "upscaled.webp"]}
    assert amount(found.output_keys) == 3
    assert found.formats["webp"] == ["upscaled.a"]
    assert found.formats_mentioned["webp"] == ["upscaled.a", "upscaled.b", "upscaled.webp"]


def test_the_walk_goes_back_and_climbs_where_the_calls_do(made: MakeTree) -> None:
    found = made(
        {
            "/tests/test_architecture.py": 'LAYERS = [{"base"}, {"pipeline"}, {"worker"}]\n',
            "base.py": "def one(): ...\ndef two(): ...\n",
            "pipeline/ports.py": (
                "from typing import Protocol\n"
                "class Ledger(Protocol):\n    def tell(self): ...\n"
                "class NoLedger:\n    def tell(self): ...\n"
            ),
            "pipeline/run.py": (
                "from upscaled import base\nfrom upscaled.base import one\n"
                "from upscaled.pipeline.ports import Ledger\n"
                "def prepare(ledger: Ledger):\n    one()\n    _own()\n    one()\n"
                "    ledger.tell()\n    unknown()\n"
                "def _own():\n    base.two()\n"
            ),
            "worker/lanes.py": "class Told:\n    def tell(self): ...\n",
        }
    )
    # run, base.one, run (_own), base.two, run, lanes: `one` is known the second time.
    assert (found.prepare_stays, found.prepare_rooms) == (6, 3)
    assert (found.prepare_returns, found.prepare_climbs) == (3, 1)


def test_what_tests_reach_into_is_counted(made: MakeTree) -> None:
    text = (
        "def test(self, monkeypatch, store):\n    monkeypatch.setattr(store, 'x', 1)\n"
        "    time.sleep(1)\n    self._own()\n    store._conn.execute('sql')\n    store.__dict__\n"
    )
    found = made({"a.py": "", "/tests/store/test_a.py": text, "/tests/test_b.py": text})
    assert (found.test_files, found.test_setattr, found.test_sleep) == (2, 2, 2)
    assert (found.test_private, found.test_private_sql) == (2, 1)


def test_the_command_prints_the_same_figures_twice_over(made: MakeTree, tmp_path: Path) -> None:
    figures = made({"a.py": "", "p/a.py": ""})
    command = [sys.executable, TESTS / "tools" / "measure.py", "--tree", tmp_path]
    as_json = subprocess.run([*command, "--json"], capture_output=True, check=True, text=True)
    as_text = subprocess.run(command, capture_output=True, check=True, text=True)
    assert json.loads(as_json.stdout) == figures.as_dict()
    assert re.search(r"^file_names_twice +1\n +a +2 +a p\.a$", as_text.stdout, re.MULTILINE)


def test_the_command_says_where_there_is_nothing_to_measure(tmp_path: Path) -> None:
    command = [sys.executable, TESTS / "tools" / "measure.py", "--tree", tmp_path]
    ended = subprocess.run(command, capture_output=True, check=False, text=True)
    assert ended.returncode == 1
    assert "--tree takes the folder of a checkout" in ended.stderr
    assert "Traceback" not in ended.stderr
