import threading

import cv2
import numpy as np
import pytest

from upscaled.errors import StopRequested
from upscaled.image.filters import banded
from upscaled.image.filters.denoise import denoise
from upscaled.image.filters.sharpen import sharpen
from upscaled.image.picture import Picture


def ignore(_done: int, _total: int) -> None:
    pass


def never() -> bool:
    return False


def sharper(picture: Picture, **words: float) -> Picture:
    told = {"radius_px": 1.5, "amount": 1.0, "threshold": 0.0, **words}
    return sharpen(picture, **told, progress=ignore, cancelled=never)


def quieter(picture: Picture, strength: float = 0.5) -> Picture:
    return denoise(picture, strength=strength, progress=ignore, cancelled=never)


@pytest.fixture(params=[np.uint8, np.uint16], ids=["8 bits", "16 bits"])
def soft(request: pytest.FixtureRequest) -> Picture:
    rng = np.random.default_rng(1)
    most = np.iinfo(request.param).max
    noise = rng.random((90, 70, 3), dtype=np.float32)
    return Picture((cv2.GaussianBlur(noise, (0, 0), 2) * most).astype(request.param))


def detail(picture: Picture) -> float:
    return float(cv2.Laplacian(picture.colour.astype(np.float32), cv2.CV_32F).std())


def test_detail_grows_and_nothing_else_changes(soft: Picture) -> None:
    result = sharper(soft)
    assert (result.colour.shape, result.colour.dtype) == (soft.colour.shape, soft.colour.dtype)
    assert detail(result) > 1.2 * detail(soft)
    drift = result.colour.astype(float).mean() - soft.colour.astype(float).mean()
    assert abs(drift) < 0.01 * np.iinfo(soft.colour.dtype).max


def test_an_edge_gets_no_halo() -> None:
    edge = np.full((40, 60, 3), 60, np.uint8)
    edge[:, 30:] = 190
    edge = cv2.GaussianBlur(edge, (0, 0), 1.5)
    result = sharper(Picture(edge), amount=5.0, radius_px=3).colour
    assert (result.min(), result.max()) == (edge.min(), edge.max())


def test_small_differences_are_left_alone() -> None:
    rng = np.random.default_rng(2)
    grain = Picture(rng.integers(126, 130, (50, 50, 1), dtype=np.uint8).repeat(3, axis=2))
    assert np.array_equal(sharper(grain, threshold=8).colour, grain.colour)
    assert not np.array_equal(sharper(grain).colour, grain.colour)


def test_gray_stays_gray(soft: Picture) -> None:
    gray = Picture(soft.colour[..., :1].repeat(3, axis=2), gray=True)
    for result in (sharper(gray), quieter(gray)):
        assert np.array_equal(result.colour[..., 0], result.colour[..., 2])
        assert result.gray


def test_what_is_transparent_has_no_say() -> None:
    colour = np.full((30, 30, 3), 100, np.uint8)
    colour[:, 15:] = 255
    alpha = np.full((30, 30), 255, np.uint8)
    alpha[:, 15:] = 0
    result = sharper(Picture(colour, alpha=alpha), radius_px=3)
    assert (result.colour[:, :15] == 100).all()


def test_noise_goes_and_edges_stay(soft: Picture) -> None:
    dtype = soft.colour.dtype
    unit = np.iinfo(dtype).max / 255
    rng = np.random.default_rng(3)
    clean = np.full((80, 80, 3), 70 * unit)
    clean[:, 40:] = 180 * unit
    noisy = np.clip(clean + rng.normal(0, 4 * unit, clean.shape), 0, 255 * unit).astype(dtype)
    result = quieter(Picture(noisy), strength=0.8).colour.astype(float)
    assert result[5:-5, 5:30].std() < 0.5 * noisy[5:-5, 5:30].std()
    assert result[:, 50:70].mean() - result[:, 10:30].mean() == pytest.approx(110 * unit, rel=0.03)


def test_no_strength_is_no_change(soft: Picture) -> None:
    assert quieter(soft, strength=0) is soft
    assert sharper(soft, amount=0) is soft


def test_bands_of_rows_leave_no_trace(soft: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sharper(soft).colour, quieter(soft).colour
    monkeypatch.setattr(banded, "_BAND_SAMPLES", 70 * 3 * 11)
    assert np.array_equal(sharper(soft).colour, whole[0])
    assert np.array_equal(quieter(soft).colour, whole[1])


def test_it_ends_between_two_bands(soft: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banded, "_BAND_SAMPLES", 1000)
    stopped = threading.Event()
    with pytest.raises(StopRequested):
        sharpen(
            soft,
            radius_px=1,
            amount=1,
            threshold=0,
            progress=lambda _done, _total: stopped.set(),
            cancelled=stopped.is_set,
        )
