"""The size of a result, and how often the model is needed for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaled.errors import ImageTooLarge, ModelUnsupported
from upscaled.image.filters.result_size import SizePlan, fitted, plan_size
from upscaled.recipe import Fit


@pytest.mark.parametrize(
    ("fit", "size"),
    [
        (Fit(width_px=400), (400, 300)),
        (Fit(height_px=400), (533, 400)),
        (Fit(width_px=400, height_px=100), (133, 100)),
        (Fit(width_px=100, height_px=400), (100, 75)),
        (Fit(long_edge_px=1000), (1000, 750)),
        (Fit(short_edge_px=1000), (1333, 1000)),
        (Fit(megapixels=12), (4000, 3000)),
        (Fit(width_px=50), (50, 38)),
        (Fit(width_px=50, only_if_smaller=True), (200, 150)),
        (Fit(width_px=200, only_if_smaller=True), (200, 150)),
        (Fit(width_px=201, only_if_smaller=True), (201, 151)),
    ],
)
def test_a_picture_of_200_by_150_fits(fit: Fit, size: tuple[int, int]) -> None:
    assert fitted(200, 150, fit) == size


@pytest.mark.parametrize(
    ("scale", "fit", "plan"),
    [
        (None, None, SizePlan(400, 200, 1, 4)),
        (4, None, SizePlan(400, 200, 1, 4)),
        (2, None, SizePlan(200, 100, 1, 2)),
        (1.5, None, SizePlan(150, 75, 1, 1.5)),
        (1, None, SizePlan(100, 50, 1, 1)),
        (4.1, None, SizePlan(410, 205, 2, 4.1)),
        (16, None, SizePlan(1600, 800, 2, 16)),
        (17, None, SizePlan(1700, 850, 3, 17)),
        (None, Fit(long_edge_px=384), SizePlan(384, 192, 1, 3.84)),
        (None, Fit(width_px=401), SizePlan(401, 201, 2, 4.01)),
        (None, Fit(width_px=50), SizePlan(50, 25, 0, 0.5)),
        (None, Fit(width_px=100), SizePlan(100, 50, 0, 1)),
    ],
)
def test_the_model_is_repeated_as_often_as_needed_and_not_more(
    scale: float | None, fit: Fit | None, plan: SizePlan
) -> None:
    assert plan_size(100, 50, model_scale=4, scale=scale, fit=fit) == plan


def test_a_model_that_enlarges_nothing_cannot_be_repeated_into_a_size() -> None:
    assert plan_size(9, 9, model_scale=1, scale=1, fit=None).passes == 1
    with pytest.raises(ModelUnsupported, match=r"clean.pth gives 1x"):
        plan_size(9, 9, model_scale=1, scale=2, fit=None, model="clean.pth")


def test_a_picture_too_large_for_another_pass_is_refused_before_any() -> None:
    with pytest.raises(ImageTooLarge, match="2 times"):
        plan_size(8000, 6000, model_scale=4, scale=5, fit=None)


EDGES = st.integers(1, 20_000)


@given(EDGES, EDGES, st.sampled_from([2, 3, 4, 8]), st.floats(1, 8))
def test_no_plan_has_to_make_anything_larger_than_the_model_did(
    width: int, height: int, model: int, scale: float
) -> None:
    try:
        plan = plan_size(width, height, model_scale=model, scale=scale, fit=None)
    except ImageTooLarge:
        return
    assert plan.width_px <= width * model**plan.passes
    assert plan.height_px <= height * model**plan.passes
    assert plan.passes == 1 or model ** (plan.passes - 1) < scale * 1.5
