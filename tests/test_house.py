"""Limits on the shape of the code: what grows past them is cut, or has a reason here.

`python tests/tools/measure.py` prints the figures.
"""

from pathlib import Path

import pytest

from tools import measure

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "daemon" / "upscaled"
FIGURES = measure.measure(measure.ROOT)

SAME_FILE_NAME = {
    "__main__": "what `python -m` runs, of the package and of the worker",
    "main": "the entry points of the two programs",
    "run": "`upscaled run`; and one job, which both it and the worker run",
    "service": "commands are files of their names",
}
SAME_CLASS_NAME = {
    "Check": "classes of the grammar are definitions of the JSON schema, by the users' words",
    "ModelSource": "as above",
    "Retry": "as above",
    "Upscaler": "as above",
}
MOST_SMALL = 8
MOST_FUNCTION_LINES = 75
MOST_FILE_LINES = 400


def test_files_and_functions_fit() -> None:
    assert FIGURES.file_max <= MOST_FILE_LINES
    assert FIGURES.function_max <= MOST_FUNCTION_LINES


def test_no_folder_is_a_heap_and_no_module_reaches_itself() -> None:
    assert FIGURES.large_folders == {}
    assert FIGURES.circles == []


def test_no_name_stands_for_two_things() -> None:
    assert FIGURES.file_names_twice.keys() <= SAME_FILE_NAME.keys()
    assert FIGURES.class_names_twice.keys() <= SAME_CLASS_NAME.keys()


def test_a_small_module_that_one_other_uses_is_an_exception() -> None:
    assert len(FIGURES.small_with_one_importer) <= MOST_SMALL


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


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    package = tmp_path / "daemon" / "upscaled"
    (package / "heap").mkdir(parents=True)
    (package / "a.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from upscaled import b\n"
    )
    (package / "b.py").write_text("def f():\n    from upscaled.a import g\nclass Same: ...\n")
    for number in range(measure.MOST_MODULES + 1):
        (package / "heap" / f"m{number}.py").write_text("")
    (package / "heap" / "a.py").write_text("class Same: ...\n")
    (package / "heap" / "__init__.py").write_text("from .m0 import f\n")
    (package / "heap" / "m0.py").write_text("from . import m1\n")
    (package / "heap" / "m1.py").write_text("from ..heap.m0 import f\n")
    return tmp_path


def test_the_measure_finds_what_it_is_for(tree: Path) -> None:
    found = measure.measure(tree)
    by_dots = ["upscaled.heap.m0", "upscaled.heap.m1"]
    assert found.circles == [["upscaled.a", "upscaled.b"], by_dots]
    assert found.large_folders == {"upscaled.heap": measure.MOST_MODULES + 2}
    assert found.file_names_twice == {"a": ["upscaled.a", "upscaled.heap.a"]}
    assert found.class_names_twice == {"Same": ["upscaled.b", "upscaled.heap.a"]}
    assert found.small_with_one_importer == ["upscaled.a", "upscaled.b", "upscaled.heap.m1"]
