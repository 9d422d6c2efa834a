"""Components that stand in a job itself, as model-compose allows."""

from collections.abc import Callable

from upscaled.config.json_schema import schema
from upscaled.config.settings import Settings

Load = Callable[..., Settings]

TWO = """\
workflows:
  - id: two
    jobs:
      - id: up
        component:
          type: model
          task: image-upscale
          model: realesrgan-x4plus-anime
          params: {tile_size: 64}
        input: {image: "${input.image}"}
      - id: sharp
        component: {type: image-sharpen, amount: 0.2}
        input: {image: "${up.output}"}
"""
EACH = """\
  - id: each
    jobs:
      - id: all
        type: for-each
        input: ${input.images}
        do: {component: {id: x, type: image-upscale, scale: 2}, input: {image: "${item}"}}
"""
RULES = """\
rules:
  a: {watch: a, output: out, workflow: two}
  b: {watch: b, output: out, workflow: each}
"""


def test_a_job_works_with_the_component_that_stands_in_it(load: Load) -> None:
    a, b = load(TWO + EACH + RULES).rules
    assert [(stage.task, stage.model, stage.tile_px) for stage in a.recipe.stages] == [
        ("image-upscale", "realesrgan-x4plus-anime", 64),
        ("image-sharpen", None, None),
    ]
    assert dict(a.recipe.stages[1].numbers)["amount"] == 0.2
    assert (b.recipe.model, b.recipe.scale) == ("realesrgan-x4plus", 2)


def test_it_is_no_choice_for_rules_that_name_none(load: Load) -> None:
    text = (
        TWO + EACH + "component: {model: realesr-animevideov3}\nrules: {c: {watch: c, output: o}}"
    )
    assert load(text).rules[0].recipe.model == "realesr-animevideov3"


def test_the_short_form_of_a_component_may_stand_anywhere(load: Load) -> None:
    text = "component: {type: image-upscale, scale: 3}\nrules: {c: {watch: c, output: o}}"
    assert load(text).rules[0].recipe.scale == 3


def test_editors_know_lists_the_only_one_and_a_component_in_a_job() -> None:
    made = schema()
    workflow, job = (made["$defs"][name]["properties"] for name in ("Workflow", "Job"))
    for properties, key in ((made["properties"], "workflows"), (workflow, "jobs")):
        forms = {form["type"] for form in properties[key]["anyOf"]}
        assert forms == {"object", "array", "null"}
    assert {"$ref": "#/$defs/Workflow"} in made["properties"]["workflow"]["anyOf"]
    assert {"$ref": "#/$defs/Job"} in workflow["job"]["anyOf"]
    upscaler = {"$ref": "#/$defs/Upscaler"}
    assert any(upscaler in form.get("anyOf", ()) for form in job["component"]["anyOf"])
