"""Faces in a picture: found, cut out upright at the size that networks for faces know, put back.

They are found by YuNet (Wu et al. 2023), which OpenCV runs and whose file the user gives: OpenCV 5
ships no detector any more. Its five points (eyes, nose, corners of the mouth) are brought to where
they lie in FFHQ's mean face by the similarity that fits best (Umeyama 1991).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from upscaled.errors import BadResult, ModelCorrupt, ModelUnknown
from upscaled.image.picture import Picture, Samples

FACE_PX = 512
_MEAN_FACE = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.19360],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)
"""At 512 px, from left to right as one sees them (facexlib's `FaceRestoreHelper`)."""
_LOOK_PX = 1280
"""Long edge of what the detector gets: it knows faces of some 10 to 300 px."""
_LEAST_SCORE, _MOST_OVERLAP, _MOST_FACES = 0.7, 0.3, 200
_RIM, _RAMP = 0.04, 0.12
"""Of a face's square: what is never put back, and where it fades in."""
_GET_ONE = "YuNet's face_detection_yunet_*.onnx of the OpenCV Zoo is one; its licence is MIT"

Matrix = Any
"""2×3, float64: from pixels of the picture to those of the mean face."""


@dataclass(frozen=True, slots=True)
class Face:
    matrix: Matrix

    @property
    def scale(self) -> float:
        """Pixels of the mean face for each of the picture."""
        return math.hypot(self.matrix[0, 0], self.matrix[1, 0])


class FaceFinder:
    def __init__(self, detector: Path) -> None:
        """Raises: ModelUnknown, ModelCorrupt: there is no such file, or it is none of YuNet."""
        if not detector.is_file():
            raise ModelUnknown(f"there is no face detector {detector}", hint=_GET_ONE)
        # It says of each network that it is run on the CPU.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            self._net = cv2.FaceDetectorYN.create(
                str(detector), "", (320, 320), _LEAST_SCORE, _MOST_OVERLAP, _MOST_FACES
            )
        except cv2.error as error:
            raise ModelCorrupt(f"{detector.name} is not a face detector", hint=_GET_ONE) from error

    def find(self, picture: Picture) -> list[Face]:
        """The surest first.

        Raises:
            BadResult: the file is a network, but none that finds faces.
        """
        factor = min(_LOOK_PX / max(picture.width_px, picture.height_px), 1.0)
        size = max(round(picture.width_px * factor), 1), max(round(picture.height_px * factor), 1)
        deep = picture.colour.dtype.itemsize > 1
        seen = (picture.colour >> 8).astype(np.uint8) if deep else picture.colour
        small = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
        self._net.setInputSize(size)
        try:
            found: Any = self._net.detect(np.ascontiguousarray(small[..., ::-1]))[1]
        except cv2.error as error:
            raise BadResult("the face detector is no YuNet", hint=_GET_ONE) from error
        rows: list[list[float]] = [] if found is None else found.tolist()
        rows.sort(key=lambda row: -row[14])
        shares = np.array(size) / (picture.width_px, picture.height_px)
        points = [(np.array(row[4:14]).reshape(5, 2) + 0.5) / shares - 0.5 for row in rows]
        return [Face(matrix) for each in points if (matrix := upright(each)) is not None]


def upright(points: Any) -> Matrix | None:
    """The similarity that brings five points to the mean face; None: they are all one."""
    middle, aim = points.mean(axis=0), _MEAN_FACE.mean(axis=0)
    # As complex numbers, turning and scaling is one factor, and mirroring cannot come up.
    source, target = ((each - each.mean(axis=0)) @ (1, 1j) for each in (points, _MEAN_FACE))
    spread = float((np.abs(source) ** 2).sum())
    if not spread > 0:
        return None
    factor = np.vdot(source, target) / spread
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, aim - linear @ middle])


def cut(colour: Samples, face: Face) -> Samples:
    """The face, upright: 512 × 512 × 3, same dtype."""
    size = (FACE_PX, FACE_PX)
    result: Any = cv2.warpAffine(colour, face.matrix, size, borderMode=cv2.BORDER_REPLICATE)
    upright_face: Samples = result
    return upright_face


def pasted(colour: Samples, restored: Samples, face: Face, strength: float) -> Samples:
    """A copy of `colour` with `restored` (512 × 512 × 3) where the face is; its rim fades in."""
    edge = max(round(FACE_PX / face.scale), 1)
    share = edge / FACE_PX
    small = cv2.resize(restored, (edge, edge), interpolation=cv2.INTER_AREA).astype(np.float32)
    # Centres of pixels lie half a pixel from their corner, which does not shrink with them.
    there = face.matrix * share
    there[:, 2] += share / 2 - 0.5
    left, top, right, bottom = _around(there, edge, colour.shape)
    if right <= left or bottom <= top:
        return colour
    there[:, 2] += there[:, :2] @ (left, top)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (right - left, bottom - top)
    moved = cv2.warpAffine(small, there, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(_mask(edge), there, size, flags=how) * strength
    result = colour.copy()
    under = result[top:bottom, left:right].astype(np.float32)
    mixed = np.rint(under + (moved - under) * mask[..., None])
    result[top:bottom, left:right] = mixed.clip(0, np.iinfo(colour.dtype).max).astype(colour.dtype)
    return result


def _around(there: Matrix, edge: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of the picture in which the square lies."""
    back = cv2.invertAffineTransform(there)
    corners = np.array([[-1, -1, 1], [edge, -1, 1], [-1, edge, 1], [edge, edge, 1]]) @ back.T
    left, top = np.floor(corners.min(axis=0)).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
    return max(left, 0), max(top, 0), min(right, shape[1]), min(bottom, shape[0])


def _mask(edge: int) -> Any:
    """1 inside, 0 at the rim; float32."""
    at = (np.arange(edge) + 0.5) / edge
    rise = np.clip((np.minimum(at, 1 - at) - _RIM) / _RAMP, 0, 1).astype(np.float32)
    return np.minimum(rise[:, None], rise[None, :])
