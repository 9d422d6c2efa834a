"""What is committed in `config/` is what the program says, and holds."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from upscaled.config.find import starter_text
from upscaled.config.grammar.output import Output
from upscaled.config.grammar.rule import HooksBlock, Rule, When
from upscaled.config.grammar.top_level import FOREIGN_KEYS, Document
from upscaled.config.json_schema import schema, schema_text
from upscaled.config.load import load_config
from upscaled.config.settings import Settings
from upscaled.config.show.settings_text import settings_tree, tree_text

FOLDER = Path(__file__).parents[2] / "config"
EXAMPLES = sorted(FOLDER.glob("*.yml"))
HEAVY = ("torch", "numpy", "PIL", "cv2", "spandrel", "huggingface_hub", "watchdog", "sqlite3",
         "rich", "pathspec", "difflib", "asyncio", "http.client", "psutil", "cattrs")  # fmt: skip
"""Not needed to check a valid file: most of the 0.3 s it may take is what is imported."""
Load = Callable[..., Settings]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_loads_without_a_complaint(path: Path) -> None:
    settings = load_config([path], environment={"HOME": "/home/me"})
    assert settings.rules
    odd = [note.message for note in settings.notices if not note.message.endswith("exist yet")]
    assert odd == []


def test_the_special_rule_stands_above_the_general_one() -> None:
    settings = load_config([FOLDER / "anime.yml"], environment={"HOME": "/home/me"})
    assert [rule.component for rule in settings.rules] == ["quick", "drawing"]


def test_the_example_is_what_init_writes() -> None:
    assert (FOLDER / "upscaled.example.yml").read_text(encoding="utf-8") == starter_text()


def test_the_committed_schema_is_the_generated_one() -> None:
    assert (FOLDER / "upscaled.schema.json").read_text(encoding="utf-8") == schema_text(), (
        "renew it: upscaled config schema > config/upscaled.schema.json"
    )


def test_the_schema_knows_every_key_and_explains_those_of_a_rule() -> None:
    made = schema()
    assert set(made["properties"]) == {*Document.model_fields, "workflow"}
    rule = made["$defs"]["Rule"]["properties"]
    assert rule["watch"]["description"] == "The inbox, or several."
    assert made["$defs"]["Rule"]["patternProperties"] == {"^x-": {}}
    assert {"minimum": 1, "maximum": 100, "type": "integer"} in rule["max_attempts"]["anyOf"]


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    text = schema_text()
    made = json.loads(text)
    targets = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert targets
    assert targets <= set(made["$defs"])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_is_shown_is_a_configuration_that_does_the_same(load: Load, path: Path) -> None:
    settings = load_config([path], environment={"HOME": "/home/me"})
    again = load(tree_text(settings_tree(settings)))
    assert [rule.recipe for rule in again.rules] == [rule.recipe for rule in settings.rules]
    assert [rule.delivery for rule in again.rules] == [rule.delivery for rule in settings.rules]
    assert settings_tree(again) == settings_tree(settings)


EVERY_STAGE = """\
allow_shell: true
precision: fp32
components:
  up: {model: realesrgan-x4plus, precision: bf16, params: {tile_size: 64}, output: {long_edge: 900}}
  denoise: {task: image-denoise, model: realesr-animevideov3, tile_size: 32}
  resize: {task: image-resize, long_edge: 700, only_if_smaller: true}
  half: {task: image-resize, scale: 0.5}
  mine: {task: shell, command: [sh, -c, 'cp "$${0}" {output}', "{input}"], timeout: 9s}
  look: {task: image-quality}
  faces: {task: image-face-restore, model: ./f.pth, detector: ./yunet.onnx, strength: 0.5}
workflows:
  all:
    jobs:
      - {id: a, component: denoise}
      - {id: b, component: up, input: "${a.output}"}
      - {id: c, component: mine, input: "${b.output}"}
      - {id: g, component: faces, input: "${c.output}"}
      - {id: d, component: resize, input: "${g.output}"}
      - {id: e, component: half, input: "${d.output}"}
      - {id: f, component: look, input: {original: "${input}", enhanced: "${e.output}"}}
    output: ${d.output}
  alone: {jobs: [{id: only, component: up}]}
rules:
  one: {watch: in, output: out, workflow: all, outputs: {b: {folder: b, quality: 7}, e: e}}
  two: {watch: in2, output: {folder: out, scale: 3}, workflow: all,
        quality_check: {min_psnr: 20, on_low_quality: fail, contact_sheet: png}}
  three: {watch: in3, output: out, workflow: alone}
  four: {watch: in4, output: out, component: half}
  five: {watch: in5, output: out, component: up}
"""


def test_workflows_are_shown_as_a_configuration_that_does_the_same(load: Load) -> None:
    settings = load(EVERY_STAGE)
    again = load(tree_text(settings_tree(settings)))
    for rule in settings.rules:
        shown = again.rule(rule.name)
        assert shown is not None
        assert (shown.recipe, shown.delivery) == (rule.recipe, rule.delivery), rule.name
    assert settings_tree(again)["workflows"] == settings_tree(settings)["workflows"]


def test_the_example_of_scans_restores_and_judges() -> None:
    (rule,) = load_config([FOLDER / "scans.yml"], environment={"HOME": "/home/me"}).rules
    tasks = [(stage.task, stage.inputs) for stage in rule.recipe.stages]
    assert tasks == [
        ("image-denoise", ("",)),
        ("image-upscale", ("denoise",)),
        ("image-sharpen", ("upscale",)),
    ]
    assert rule.recipe.result == "sharpen"
    assert rule.recipe.stages[1].scale == 2
    assert rule.delivery.check is not None
    assert rule.delivery.check.review_folder == Path("/home/me/Scans/to-review")
    assert [extra.stage for extra in rule.delivery.extras] == ["upscale"]


DOCUMENTED = re.findall(
    r"```yaml\n(.*?)```",
    (FOLDER.parent / "docs" / "configuration.md").read_text(encoding="utf-8"),
    flags=re.DOTALL,
)


@pytest.mark.parametrize("block", DOCUMENTED)
def test_what_the_documentation_shows_loads(load: Load, block: str) -> None:
    rules = "" if "rules:" in block else "rules: {photos: {watch: in, output: out}}\n"
    assert load(block + rules).rules


def test_the_documentation_names_every_key_of_a_rule_and_of_the_top_level() -> None:
    text = (FOLDER.parent / "docs" / "configuration.md").read_text(encoding="utf-8")
    keys = {*Document.model_fields, *Rule.model_fields, *Output.model_fields, *When.model_fields,
            *HooksBlock.model_fields}  # fmt: skip
    # Accepted because compose has or had them; nothing can be said of them.
    keys -= {"name", "version", "workflow"} | {key for key in FOREIGN_KEYS if not key.endswith("s")}
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []


def run(*arguments: str, code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ}
    # As for a user: modules are compiled once, not each time.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )


def largest() -> Path:
    return max(EXAMPLES, key=lambda path: path.stat().st_size)


def test_checking_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom upscaled.cli.commands.config import config_group\n"
        "config_group(standalone_mode=False)\n"
        f"sys.exit(' '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    )
    done = run("check", "--config", str(largest()), code=code)
    assert (done.returncode, done.stderr) == (0, "")
