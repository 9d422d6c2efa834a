"""What the figures of a quality check say of cases whose answer is known."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from support.daemon_fixtures import PHOTO
from upscaled.image.filters.quality import measure, psnr, ssim
from upscaled.image.picture import Picture


@pytest.fixture
def photograph() -> Picture:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (64, 80, 3), dtype=np.uint8)
    return Picture(cv2.GaussianBlur(noise, (0, 0), 1.5))


def enlarged(picture: Picture, scale: int = 4) -> Picture:
    return Picture(picture.colour.repeat(scale, axis=0).repeat(scale, axis=1))


def test_a_result_that_shrinks_to_its_source_is_perfect(photograph: Picture) -> None:
    figures = measure(photograph, enlarged(photograph))
    assert (figures.psnr_db, figures.colour_drift) == (100.0, 0.0)
    assert figures.ssim == pytest.approx(1.0)
    assert not figures.constant


def test_a_colour_cast_is_seen_in_levels(photograph: Picture) -> None:
    cast = enlarged(photograph).colour.astype(np.int16)
    cast[..., 0] += 7
    figures = measure(photograph, Picture(np.clip(cast, 0, 255).astype(np.uint8)))
    assert figures.colour_drift == pytest.approx(7, abs=0.2)


def test_blur_costs_likeness_and_detail(photograph: Picture) -> None:
    sharp = enlarged(photograph)
    soft = Picture(cv2.GaussianBlur(sharp.colour, (0, 0), 8))
    crisp, blurred = measure(photograph, sharp), measure(photograph, soft)
    assert blurred.ssim < 0.8 < crisp.ssim
    assert blurred.sharpness_gain < 1 < crisp.sharpness_gain


def test_a_shift_costs_likeness(photograph: Picture) -> None:
    moved = Picture(np.roll(enlarged(photograph).colour, 6, axis=1))
    assert measure(photograph, moved).psnr_db < 30


def test_noise_is_estimated() -> None:
    rng = np.random.default_rng(2)
    flat = np.full((200, 200, 3), 128.0) + rng.normal(0, 5, (200, 200, 1))
    noisy = Picture(np.clip(np.rint(flat), 0, 255).astype(np.uint8))
    assert measure(noisy, noisy).noise == pytest.approx(5, abs=0.5)


def test_blocks_are_seen() -> None:
    rng = np.random.default_rng(3)
    blocks = rng.integers(60, 200, (8, 8, 1), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    soft = cv2.GaussianBlur(rng.integers(0, 256, (64, 64), dtype=np.uint8), (0, 0), 3)
    smooth = Picture(soft[..., None].repeat(3, axis=2))
    blocky = Picture(blocks.repeat(3, axis=2))
    assert measure(blocky, blocky).blockiness > 3
    assert measure(smooth, smooth).blockiness < 1.5


def test_one_single_colour_is_no_result(photograph: Picture) -> None:
    gray = Picture(np.full((256, 320, 3), 90, np.uint8))
    assert measure(photograph, gray).constant
    assert not measure(gray, gray).constant


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 7), (8, 6), (40, 31)])
def test_any_size_can_be_measured(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    small = Picture(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    assert measure(small, enlarged(small)).ssim == pytest.approx(1.0)
    measure(small, Picture(255 - enlarged(small).colour))


def test_deep_and_transparent_pictures_can_be_measured() -> None:
    rng = np.random.default_rng(5)
    colour = rng.integers(0, 65536, (20, 20, 3), dtype=np.uint16)
    alpha = rng.integers(0, 65536, (20, 20), dtype=np.uint16)
    deep = Picture(colour, alpha=alpha)
    assert measure(deep, deep).psnr_db == 100.0
    hidden = colour.copy()
    hidden[alpha == 0] = 9
    assert measure(deep, Picture(hidden, alpha=alpha)).psnr_db == 100.0


def same(source: Any) -> Any:
    return source


def soft(source: Any) -> Any:
    return cv2.GaussianBlur(source, (0, 0), 1.2)


def shifted(source: Any) -> Any:
    return np.roll(source, 1, axis=1)


def cast(source: Any) -> Any:
    return np.clip(source + np.array([12, 0, -9]), 0, 255).astype(np.uint8)


def noisy(source: Any) -> Any:
    rng = np.random.default_rng(7)
    return np.clip(source + rng.normal(0, 9, source.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("change", [same, soft, shifted, cast, noisy])
def test_figures_are_those_of_scikit_image(change: Callable[[Any], Any], scale: int) -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    with Image.open(PHOTO) as photo:
        source = np.asarray(photo.convert("RGB"))
    result = change(source).repeat(scale, axis=0).repeat(scale, axis=1)
    # Each square is the mean of its pixels: scikit-image gets what was repeated.
    small = change(source)

    figures = measure(Picture(source), Picture(result))

    expected = metrics.structural_similarity(source, small, channel_axis=2, data_range=255)
    assert figures.ssim == pytest.approx(expected, abs=1e-3)
    if change is same:
        assert figures.psnr_db == 100
    else:
        expected_db = metrics.peak_signal_noise_ratio(source, small, data_range=255)
        assert figures.psnr_db == pytest.approx(expected_db, abs=1e-3)
        assert figures.ssim < 0.999
    means = np.abs(small.mean(axis=(0, 1)) - source.mean(axis=(0, 1)))
    assert figures.colour_drift == pytest.approx(means.max(), abs=1e-3)


@pytest.mark.parametrize("size", [(7, 9), (40, 33), (128, 77)])
def test_any_size_has_the_figures_of_scikit_image(size: tuple[int, int]) -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    rng = np.random.default_rng(6)
    first = rng.random((*size, 3), dtype=np.float32)
    second = np.clip(first + rng.normal(0, 0.1, first.shape), 0, 1).astype(np.float32)
    expected = metrics.structural_similarity(first, second, channel_axis=2, data_range=1.0)
    assert ssim(first, second) == pytest.approx(expected, abs=1e-3)
    assert psnr(first, second) == pytest.approx(
        metrics.peak_signal_noise_ratio(first, second, data_range=1.0), abs=1e-3
    )
