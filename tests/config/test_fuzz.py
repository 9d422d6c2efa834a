"""No text makes the loader raise anything but its own error."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upscaled.config.load import load_config
from upscaled.config.problems import ConfigProblem, ConfigProblems

FOLDER = Path(__file__).parents[2] / "config"
EXAMPLES = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yml"))]
WORDS = sorted({word for text in EXAMPLES for word in re.findall(r"\S+", text)})
MARKS = "\n|\n  |\n    |- |: |{|}|[|]|*|&a |<<|!x |~|no|012|1:30|${A|${A:-b}|'|\"|\t|\0|\x85|\ud800"
PARTS = (
    "component extends defaults include workflow model params rules watch output !reset !override"
)
PIECES = st.sampled_from([*WORDS, *MARKS.split("|"), *PARTS.split()])
COMMON = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def try_to_load(folder: Path, raw: bytes) -> None:
    file = folder / "upscaled.yml"
    file.write_bytes(raw)
    said: tuple[ConfigProblem, ...] = ()
    try:
        load_config([file], environment={"HOME": "/home/me"})
    except ConfigProblems as error:
        said = error.problems or (ConfigProblem("", ""),)
    for problem in said:
        assert problem.message
        assert problem.line_form().isprintable()
        assert str(problem).replace("\n", "").replace("\t", "").isprintable()


@COMMON
@given(raw=st.binary(max_size=200))
def test_bytes(tmp_path: Path, raw: bytes) -> None:
    try_to_load(tmp_path, raw)


@COMMON
@given(pieces=st.lists(PIECES, max_size=40))
def test_pieces_of_yaml(tmp_path: Path, pieces: list[str]) -> None:
    try_to_load(tmp_path, "".join(pieces).encode("utf-8", "surrogatepass"))


@COMMON
@given(
    example=st.sampled_from(EXAMPLES),
    changes=st.lists(st.tuples(st.floats(0, 1), PIECES), max_size=4),
)
def test_examples_with_changes(
    tmp_path: Path, example: str, changes: list[tuple[float, str]]
) -> None:
    for place, piece in changes:
        at = int(place * len(example))
        example = example[:at] + piece + example[at + len(piece) // 2 :]
    try_to_load(tmp_path, example.encode("utf-8", "surrogatepass"))


BROKEN = Path(__file__).with_name("broken.yml").read_text(encoding="utf-8")
DOCUMENTED = (FOLDER.parent / "docs" / "configuration.md").read_text(encoding="utf-8")
REAL = [
    *EXAMPLES,
    *re.findall(r"```yaml\n(.*?)```", DOCUMENTED, flags=re.DOTALL),
    *(case["text"] for case in yaml.safe_load(BROKEN)),
]
TOKENS = [re.findall(r"\n *|[ ]+|[\[\]{},:]|\$\{[^}]*\}|[^\s\[\]{},:]+", text) for text in REAL]
ANY_TOKEN = st.sampled_from(sorted({token for text in TOKENS for token in text}))
MOVE = st.tuples(st.sampled_from(["put", "add", "drop", "twice", "from"]), st.floats(0, 1),
                 st.floats(0, 1), ANY_TOKEN)  # fmt: skip


@COMMON
@given(tokens=st.sampled_from(TOKENS), moves=st.lists(MOVE, min_size=1, max_size=6))
def test_real_configurations_with_words_moved(
    tmp_path: Path, tokens: list[str], moves: list[tuple[str, float, float, str]]
) -> None:
    moved = list(tokens)
    for how, place, other, token in moves:
        at, source = int(place * (len(moved) - 1)), int(other * (len(moved) - 1))
        new = {"put": [token], "add": [*moved[at : at + 1], token], "drop": [],
               "twice": moved[at : at + 1] * 2, "from": moved[source : source + 6]}  # fmt: skip
        moved[at : at + 1] = new[how]
    try_to_load(tmp_path, "".join(moved).encode("utf-8", "surrogatepass"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | PIECES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PIECES, inner, max_size=3),
    max_leaves=8,
)
SHAPED = """
    watch output component extends include exclude settle retry on_success recursive priority
    workflow model params action actions scale id folder name move repository path tile_size
    type task <name> <upscaler>
"""
KEYS = SHAPED.split()
BLOCKS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
TOP = ["device", "precision", "memory", "keep_alive", "include", "rules", "components", "component",
       "workflows", "defaults", "controller", "x-a", "name"]  # fmt: skip


@COMMON
@given(
    tree=st.dictionaries(
        st.sampled_from(TOP),
        VALUES | BLOCKS | st.dictionaries(PIECES, BLOCKS, max_size=3),
        max_size=5,
    )
)
def test_right_keys_with_wrong_values(tmp_path: Path, tree: object) -> None:
    import json  # noqa: PLC0415  JSON is YAML, and knows no anchors

    try_to_load(tmp_path, json.dumps(tree).encode())


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_themselves_load(tmp_path: Path, example: str) -> None:
    file = tmp_path / "upscaled.yml"
    file.write_text(example, encoding="utf-8")
    assert load_config([file], environment={"HOME": "/home/me"}).rules
