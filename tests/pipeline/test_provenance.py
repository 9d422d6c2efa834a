"""A rule knows its own results again, and no others."""

from dataclasses import replace
from pathlib import Path

import pytest

from support.builders import DELIVERY, RECIPE
from upscaled.errors import UnsupportedImage
from upscaled.image.metadata import exif
from upscaled.job import Fingerprint, Order
from upscaled.pipeline.provenance import mark_of, refuse_own
from upscaled.recipe import OutputOptions, Recipe, StageRecipe

SOURCE = Path("/inbox/a.png")


def order(recipe: Recipe, rule: str = "photos") -> Order:
    return Order(1, rule, SOURCE, Path(), Fingerprint(1, 2, 3, 4), recipe, DELIVERY)


def block_of(made_by: Order) -> bytes:
    return exif.finished(None, width_px=8, height_px=6, software=mark_of(made_by, 4))


def is_refused(by: Order, made_by: Order) -> bool:
    try:
        refuse_own(by, block_of(made_by))
    except UnsupportedImage:
        return True
    return False


@pytest.mark.parametrize(
    ("by", "refused"),
    [
        (order(RECIPE), True),
        (order(replace(RECIPE, output=OutputOptions(quality=90))), False),
        (order(RECIPE, "others"), False),
        (order(replace(RECIPE, output=OutputOptions(provenance=False))), False),
        (replace(order(RECIPE), fingerprint=None), False),
    ],
    ids=["the same rule", "another recipe", "another rule", "no provenance", "by hand"],
)
def test_only_the_very_rule_refuses_its_result(by: Order, *, refused: bool) -> None:
    assert is_refused(by, order(RECIPE)) == refused


def test_a_picture_without_a_mark_is_nobodys_result() -> None:
    refuse_own(order(RECIPE), None)


@pytest.mark.parametrize("way", ["a model", "a stage"])
def test_it_is_known_wherever_the_model_file_lies(way: str) -> None:
    def made(folder: str, name: str = "net.pth") -> Order:
        model = f"{folder}/{name}"
        if way == "a model":
            return order(Recipe(model))
        return order(Recipe("", stages=(StageRecipe("image-upscale", model=model),)))

    assert is_refused(made("/here"), made("/home/somebody/models"))
    assert not is_refused(made("/here"), made("/here", "other.pth"))
