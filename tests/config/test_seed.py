"""The blocks of the document that the project began with, and model-compose's dialects."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from upscaled.config.problems import ConfigProblems
from upscaled.config.settings import Settings

Load = Callable[..., Settings]

SEED = Path(__file__).with_name("seed-blocks.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## (\S+)\n\n```yaml\n(.*?)```", SEED, flags=re.DOTALL | re.MULTILINE))
RULES = "rules:\n  photos: {watch: in, output: out}\n"
HUB = "huggingface:ai-forever/Real-ESRGAN:"


def test_there_are_six_blocks() -> None:
    assert len(BLOCKS) == SEED.count("```yaml") == 6


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("rules_first", [True, False])
def test_each_block_loads_beside_rules(load: Load, name: str, rules_first: bool) -> None:
    parts = [RULES, BLOCKS[name]] if rules_first else [BLOCKS[name], RULES]
    settings = load("".join(parts))
    assert [rule.name for rule in settings.rules] == ["photos"]


@pytest.mark.parametrize(
    ("name", "model", "scale", "tile_px"),
    [
        ("调整缩放因子", f"{HUB}RealESRGAN_x2.pth", 2, None),
        ("使用替代模型", f"{HUB}ESRGAN_x4.pth", 4, None),
        ("内存优化", f"{HUB}RealESRGAN_x4.pth", 4, 512),
    ],
)
def test_the_single_component_is_what_the_rule_uses(
    load: Load, name: str, model: str, scale: int, tile_px: int | None
) -> None:
    (rule,) = load(BLOCKS[name] + RULES).rules
    recipe = rule.recipe
    assert (recipe.model, recipe.scale, recipe.tile_px) == (model, scale, tile_px)


def test_what_has_no_meaning_is_noted_once_with_its_place(load: Load) -> None:
    (notice,) = [
        notice
        for notice in load(BLOCKS["内存优化"] + RULES).notices
        if "tile_pad" in notice.message
    ]
    assert notice.message == "'tile_pad' has no meaning here: tiling is exact, without pads"
    assert (notice.line, notice.column, notice.severity) == (13, 5, "notice")


def test_the_stages_of_a_workflow_run_in_their_order(load: Load) -> None:
    settings = load(BLOCKS["多阶段增强管道"] + RULES)
    recipe = settings.rules[0].recipe
    assert [(stage.name, stage.task, stage.inputs) for stage in recipe.stages] == [
        ("upscale", "image-upscale", ("",)),
        ("denoise", "image-denoise", ("upscale",)),
        ("sharpen", "image-sharpen", ("denoise",)),
    ]
    assert (recipe.model, recipe.result) == ("realesrgan-x4plus", "sharpen")
    assert "the built-in one is used" in settings.notices[0].message


def test_a_quality_check_compares_what_came_in_with_what_came_out(load: Load) -> None:
    recipe = load(BLOCKS["质量评估集成"] + RULES).rules[0].recipe
    assert [(stage.task, stage.inputs) for stage in recipe.stages] == [
        ("image-upscale", ("",)),
        ("image-quality", ("", "upscale")),
    ]
    assert recipe.result == "upscale"


def test_the_output_of_a_whole_workflow_is_that_of_its_last_job(load: Load) -> None:
    for output in (
        '"${output as image}"', '"${output}"', '"${ output[0] as image | x }"',
        '{image: "${output}"}',
    ):  # fmt: skip
        settings = load(f'workflow: {{input: "${{input}}", output: {output}}}\n{RULES}')
        assert settings.rules[0].recipe == load(RULES).rules[0].recipe


FILM = """
workflow:
  jobs:
    - {id: frames, component: frames, input: {video: "${input.video as video}"}}
    - {id: upscale, component: upscaler, input: {image: "${jobs.frames.output[*].image}"}}
components:
  - {id: frames, type: video-frame-extractor, driver: ffmpeg}
  - {id: upscaler, type: model, task: image-upscale, family: real-esrgan, scale: 2}
"""


def test_a_workflow_on_films_may_stand_beside_rules_that_do_not_use_it(load: Load) -> None:
    settings = load(FILM + RULES)
    assert (settings.rules[0].component, settings.rules[0].recipe.scale) == ("upscaler", 2)
    assert any("no rule can use this workflow" in note.message for note in settings.notices)


def test_a_rule_cannot_name_a_workflow_on_films(load: Load) -> None:
    named = RULES.replace("output:", "workflow: default, output:")
    with pytest.raises(ConfigProblems) as raised:
        load(FILM + named)
    assert "'frames' (video-frame-extractor) does nothing" in str(raised.value)


MODERN = """
controller:
  adapter: {type: http-server, port: 8080, base_path: /api, on: no}
  webui: {driver: gradio, port: "${PORT_THAT_IS_NOT_SET}"}
workflow:
  title: Upscale Image
  job: {input: "${input}", output: "${output as image}"}
component:
  type: model
  task: image-upscale
  driver: custom
  family: real-esrgan
  model:
    provider: huggingface
    repository: ai-forever/Real-ESRGAN
    filename: RealESRGAN_x4.pth
  scale: ${env.SCALE | 4}
  max_concurrent_count: 1
  action:
    image: ${input.image as image}
    tile_size: 256
    tile_pad_size: 24
    tile_batch_size: 4
"""


def test_the_newest_dialect_loads_too(load: Load) -> None:
    settings = load(MODERN + RULES)
    recipe = settings.rules[0].recipe
    assert (recipe.model, recipe.scale, recipe.tile_px) == (f"{HUB}RealESRGAN_x4.pth", 4, 256)
    said = [notice.message.split(":")[0] for notice in settings.notices]
    assert said == [
        "'controller' has no meaning here",
        "'output' of a job has no meaning here",
        "'tile_pad_size' has no meaning here",
        "'tile_batch_size' has no meaning here",
        f"{settings.rules[0].roots[0]} does not exist yet",
    ]


COMPONENT = "component:\n  {}\n"


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("model: realesrgan-x4plus-anime", "realesrgan-x4plus-anime"),
        ("model: qualcomm/ESRGAN", "huggingface:qualcomm/ESRGAN"),
        ("model: huggingface:a/b@v1:c/d.pth", "huggingface:a/b@v1:c/d.pth"),
        ("model: ./my.pth", "{dir}/my.pth"),
        ("model: my.safetensors", "{dir}/my.safetensors"),
        ("model: ~/models/my.param", "/home/me/models/my.param"),
        ("model: /models/my model.pth", "/models/my model.pth"),
        ("model: https://host/x.pth", "https://host/x.pth"),
        ("model: {provider: local, path: m/x.pth}", "{dir}/m/x.pth"),
        ("model: {path: ../x.pth}", "{up}/x.pth"),
        ("model: {url: 'https://host/x.pth', sha256: %s}" % ("AB" * 32),
         "https://host/x.pth#sha256=%s" % ("ab" * 32)),
        ("model: {provider: named, name: realesrgan-x4plus}", "realesrgan-x4plus"),
        ("model: {provider: pypi, name: realesrgan-x4plus}", "realesrgan-x4plus"),
        ("model: {repository: a/b, filename: c.pth, revision: v1}", "huggingface:a/b@v1:c.pth"),
        ("model: {repository: a/b, filename: 'c#1%.pth'}", "huggingface:a/b:c%231%25.pth"),
        ("model: {repository: a/b, local_files_only: true}", "huggingface:a/b#local_files_only=1"),
        ("scale: 4", "realesrgan-x4plus"),
    ],
)  # fmt: skip
def test_a_model_is_named_in_many_ways(
    load: Load, tmp_path: Path, written: str, model: str
) -> None:
    expected = model.format(dir=tmp_path, up=tmp_path.parent) if model.startswith("{") else model
    assert load(COMPONENT.format(written) + RULES).rules[0].recipe.model == expected


def test_a_token_is_kept_out_of_the_recipe_and_of_what_is_shown(load: Load) -> None:
    text = COMPONENT.format("model: {repository: a/b, filename: c.pth, token: '${T}'}") + RULES
    settings = load(text, environment={"T": "hf_secret"})
    assert settings.model_access["huggingface:a/b:c.pth"].token == "hf_secret"  # noqa: S105  a made-up one
    assert "hf_secret" not in repr(settings)


def test_what_is_said_of_a_file_is_asserted_and_no_wish(load: Load) -> None:
    settings = load(COMPONENT.format("model: {path: /x.pth, scale: 2}") + RULES)
    assert settings.model_access["/x.pth"].scale == 2
    assert settings.rules[0].recipe.scale is None


@pytest.mark.parametrize(
    "written",
    [
        "tile_size: 256",
        "tile: 256",
        "params: {tile: 256}",
        "params: {tile_size: '256'}",
        "action: {tile_size: 256}",
        "action: {params: {tile: 256}}",
        "actions: [{id: a, params: {tile_size: 256}}]",
    ],
)
def test_the_tile_size_stands_in_any_of_its_places(load: Load, written: str) -> None:
    assert load(COMPONENT.format(written) + RULES).rules[0].recipe.tile_px == 256


@pytest.mark.parametrize(
    ("written", "precision"),
    [("float32", "fp32"), ("float16", "fp16"), ("bfloat16", "bf16"), ("bf16", "bf16")],
)  # fmt: skip
def test_precision_has_two_spellings(load: Load, written: str, precision: str) -> None:
    settings = load(COMPONENT.format(f"precision: {written}") + RULES)
    assert settings.rules[0].recipe.precision == precision


def test_components_of_other_kinds_are_accepted_with_a_notice(load: Load) -> None:
    settings = load(
        "components:\n"
        "  - {id: talk, type: http-client, base_url: 'https://x', headers: {a: b}}\n"
        "  - {id: up, task: image-upscale}\n" + RULES
    )
    assert settings.rules[0].component == "up"
    assert "the component 'talk' (http-client) is not used by any rule" in [
        notice.message for notice in settings.notices
    ]


def test_the_default_component_is_used_where_there_are_several(load: Load) -> None:
    text = "components: {a: {scale: 4}, b: {default: true, model: realesr-animevideov3}}\n"
    assert load(text + RULES).rules[0].component == "b"


def test_what_the_models_part_knows_is_said_at_the_model(load: Load) -> None:
    with pytest.raises(ConfigProblems) as raised:
        load(BLOCKS["使用替代模型"] + RULES, check_model=lambda _: "gone\nask for another")
    (problem,) = raised.value.problems
    assert (problem.line, problem.message, problem.hint) == (8, "gone", "ask for another")
    settings = load(BLOCKS["使用替代模型"] + RULES, model_notice=lambda _: "x4plus is used instead")
    assert (8, "x4plus is used instead") in [(note.line, note.message) for note in settings.notices]
