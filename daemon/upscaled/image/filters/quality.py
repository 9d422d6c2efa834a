"""How good a result is: measured against its source, and on its own."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from upscaled.image.picture import Picture, Samples

_WINDOW_PX = 7
_K1, _K2 = 0.01, 0.03
_MOST_DB = 100.0
"""What equal pictures are said to have: JSON knows no infinity."""
_BLOCK_PX = 8


@dataclass(frozen=True, slots=True)
class Figures:
    """`psnr_db`, `ssim` and `colour_drift` compare the result, made as small as the source by the
    mean of areas, with the source; the others look at the result alone.
    """

    psnr_db: float
    ssim: float
    """Structural similarity, -1 to 1 (Wang et al. 2004)."""
    colour_drift: float
    """How far the mean of a channel moved at most, in levels of 255."""
    sharpness_gain: float
    """Detail, against the source made as large by Lanczos; 1: no more than that."""
    noise: float
    """Standard deviation in levels of 255 (Immerkær 1996)."""
    blockiness: float
    """Steps at the edges of JPEG's blocks, against steps elsewhere; 1: none to be seen."""
    constant: bool
    """One single value everywhere, where the source is not so."""

    def table(self) -> dict[str, float]:
        return {
            "psnr_db": round(self.psnr_db, 3),
            "ssim": round(self.ssim, 5),
            "colour_drift": round(self.colour_drift, 3),
            "sharpness_gain": round(self.sharpness_gain, 3),
            "noise": round(self.noise, 3),
            "blockiness": round(self.blockiness, 3),
            "constant": float(self.constant),
        }


def measure(source: Picture, result: Picture) -> Figures:
    """Of two pictures of any size; transparent parts count as little as they are seen."""
    before, after = _seen(source), _seen(result)
    size = before.shape[1], before.shape[0]
    small = _resized(after, size, cv2.INTER_AREA)
    large = _resized(before, (after.shape[1], after.shape[0]), cv2.INTER_LANCZOS4)
    luma, baseline = _luma(after), _luma(large)
    period = _BLOCK_PX * after.shape[1] / max(before.shape[1], 1)
    return Figures(
        psnr_db=psnr(before, small),
        ssim=ssim(before, small),
        colour_drift=float(np.abs(_means(small) - _means(before)).max()) * 255,
        sharpness_gain=_energy(luma) / max(_energy(baseline), 1e-6),
        noise=_noise(luma) * 255,
        blockiness=_blockiness(luma, period),
        constant=_is_flat(after) and not _is_flat(before),
    )


def psnr(first: Any, second: Any) -> float:
    """In dB; of floats of 0 to 1, of one shape; at most 100."""
    error = float(np.mean((first.astype(np.float64) - second) ** 2))
    return min(-10 * math.log10(error), _MOST_DB) if error > 0 else _MOST_DB


def ssim(first: Any, second: Any) -> float:
    """Mean over windows of 7×7 with sample covariance and over channels, the edges left out: as
    scikit-image's `structural_similarity` has it. Of floats of 0 to 1, height × width × channels.
    """
    height, width = first.shape[:2]
    window = min(_WINDOW_PX, height - (height + 1) % 2, width - (width + 1) % 2)
    if window < 3:
        return 1.0 if np.array_equal(first, second) else 1.0 - float(np.abs(first - second).mean())
    inner = slice(window // 2, height - window // 2), slice(window // 2, width - window // 2)
    count = window * window
    sample = count / (count - 1)

    def mean(plane: Any) -> Any:
        return cv2.boxFilter(plane, cv2.CV_64F, (window, window), borderType=cv2.BORDER_REFLECT)

    scores = []
    for channel in range(first.shape[2]):
        x = first[..., channel].astype(np.float64)
        y = second[..., channel].astype(np.float64)
        mean_x, mean_y = mean(x), mean(y)
        var_x = sample * (mean(x * x) - mean_x**2)
        var_y = sample * (mean(y * y) - mean_y**2)
        both = sample * (mean(x * y) - mean_x * mean_y)
        score = ((2 * mean_x * mean_y + _K1**2) * (2 * both + _K2**2)) / (
            (mean_x**2 + mean_y**2 + _K1**2) * (var_x + var_y + _K2**2)
        )
        scores.append(score[inner].mean())
    return float(np.mean(scores))


def _is_flat(image: Any) -> bool:
    return bool((np.ptp(image, axis=(0, 1)) == 0).all())


def _seen(picture: Picture) -> Any:
    """Height × width × 3, float32 of 0 to 1, before black where it is transparent."""
    colour = _unit(picture.colour)
    return colour if picture.alpha is None else colour * _unit(picture.alpha)[..., None]


def _unit(samples: Samples) -> Any:
    return samples.astype(np.float32) / np.iinfo(samples.dtype).max


def _resized(image: Any, size: tuple[int, int], how: int) -> Any:
    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.clip(cv2.resize(image, size, interpolation=how), 0, 1)


def _means(image: Any) -> Any:
    return image.reshape(-1, 3).mean(axis=0, dtype=np.float64)


def _luma(image: Any) -> Any:
    return image @ np.array([0.299, 0.587, 0.114], np.float32)


def _energy(luma: Any) -> float:
    across = cv2.Sobel(luma, cv2.CV_32F, 1, 0)
    return float(np.hypot(across, cv2.Sobel(luma, cv2.CV_32F, 0, 1)).mean())


def _noise(luma: Any) -> float:
    """A kernel that is blind to edges and slopes: what it leaves is noise."""
    height, width = luma.shape
    if height < 3 or width < 3:
        return 0.0
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    left = np.abs(cv2.filter2D(luma, cv2.CV_32F, kernel))[1:-1, 1:-1].sum(dtype=np.float64)
    return float(left * math.sqrt(math.pi / 2) / (6 * (width - 2) * (height - 2)))


def _blockiness(luma: Any, period_px: float) -> float:
    ratios = [_steps(luma, period_px), _steps(luma.T, period_px)]
    found = [ratio for ratio in ratios if ratio is not None]
    return float(np.mean(found)) if found else 1.0


def _steps(luma: Any, period_px: float) -> float | None:
    """Mean step between columns at the blocks' edges, against that of all columns."""
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    edges = np.rint(np.arange(period_px, luma.shape[1] - 1, period_px)).astype(int) - 1
    everywhere = float(steps.mean()) if steps.size else 0.0
    if edges.size < 2 or everywhere == 0:
        return None
    return float(steps[edges].mean()) / everywhere
