"""Faces found, cut out and put back; the detector is a twin in YuNet's format (`detector`)."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.detector import POINTS, write_detector
from upscaled.errors import ModelCorrupt, ModelUnknown, UpscaledError
from upscaled.image.filters.face_finder import FACE_PX, Face, FaceFinder, cut, pasted, upright
from upscaled.image.picture import Picture


@pytest.fixture
def finder(tmp_path: Path) -> FaceFinder:
    return FaceFinder(write_detector(tmp_path / "yunet.onnx"))


def scene(height_px: int = 200, width_px: int = 300) -> Picture:
    """Two blue "faces" on a soft ground."""
    rng = np.random.default_rng(1)
    ground = cv2.GaussianBlur(rng.integers(60, 200, (height_px, width_px, 3), np.uint8), (0, 0), 4)
    for top, left in ((64, 128), (96, 32)):
        ground[top : top + 32, left : left + 32] = (0, 0, 255)
    return Picture(ground)


def turned(degrees: float, scale: float, x: float, y: float) -> Face:
    """From a picture in which the face is turned, small and elsewhere."""
    angle = math.radians(degrees)
    linear = scale * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    return Face(np.column_stack([linear, (256, 256) - linear @ (x, y)]))


def test_the_similarity_is_that_of_scikit_image() -> None:
    transform = pytest.importorskip("skimage.transform", reason="scikit-image is not installed")
    rng = np.random.default_rng(2)
    for _ in range(20):
        points = POINTS * rng.uniform(0.5, 9) + rng.uniform(-3, 3, (5, 2)) + rng.uniform(0, 500, 2)
        found = upright(points.astype(float))
        mean_face = cv2.invertAffineTransform(upright(points.astype(float)))
        assert found is not None
        expected = transform.SimilarityTransform.from_estimate(points, _mean_face())
        assert np.allclose(found, expected.params[:2], rtol=1e-6, atol=1e-6)
        assert np.allclose(mean_face[:, :2] @ found[:, :2], np.eye(2))


def _mean_face() -> object:
    from upscaled.image.filters import face_finder  # noqa: PLC0415 (what no caller needs)

    return face_finder._MEAN_FACE


def test_points_that_are_one_give_no_face() -> None:
    assert upright(np.full((5, 2), 7.0)) is None


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_faces_are_found_where_they_are(finder: FaceFinder, factor: int, dtype: type) -> None:
    # Twice as large it is looked at in half its size.
    colour = scene(200, 1280).colour.repeat(factor, axis=0).repeat(factor, axis=1)
    faces = finder.find(Picture(colour.astype(dtype) * (np.iinfo(dtype).max // 255)))
    middles = []
    for face in faces:
        back = cv2.invertAffineTransform(face.matrix)
        middles.append(tuple((np.array([255.0, 282.0, 1.0]) @ back.T) // (32 * factor)))
    assert sorted(middles) == [(1.0, 3.0), (4.0, 2.0)]


def test_where_no_face_is_none_is_found(finder: FaceFinder) -> None:
    assert finder.find(Picture(np.full((40, 7, 3), 99, np.uint8))) == []
    assert finder.find(Picture(np.full((1, 1, 3), 99, np.uint8))) == []


@pytest.mark.parametrize("degrees", [0, 30, 200])
@pytest.mark.parametrize("scale", [1.0, 1.7, 5.0])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_was_cut_goes_back_to_its_place(degrees: float, scale: float, dtype: type) -> None:
    colour = scene(700, 800).colour.astype(dtype) * (np.iinfo(dtype).max // 255)
    soft = cv2.GaussianBlur(colour, (0, 0), 5)
    face = turned(degrees, scale, 380, 330)
    same = pasted(soft, cut(soft, face), face, 1.0)
    assert same.dtype == dtype
    level = np.iinfo(dtype).max / 255
    assert np.abs(same.astype(float) - soft).max() < 3 * level, "the same face, the same picture"

    white = np.full((FACE_PX, FACE_PX, 3), np.iinfo(dtype).max, dtype)
    result = pasted(soft, white, face, 1.0)
    assert (result[330, 380] == np.iinfo(dtype).max).all()
    reach = FACE_PX / scale / math.sqrt(2) + 2
    ys, xs = np.nonzero((result != soft).any(axis=2))
    assert np.hypot(ys - 330, xs - 380).max() <= reach
    half = pasted(soft, white, face, 0.5)[330, 380].astype(float)
    assert half == pytest.approx((soft[330, 380].astype(float) + white[0, 0]) / 2, abs=1)


def test_a_face_at_the_border_is_put_back_as_far_as_it_goes() -> None:
    colour = scene().colour
    white = np.full((FACE_PX, FACE_PX, 3), 255, np.uint8)
    for x, y in ((0, 0), (299, 100), (150, 199)):
        assert (pasted(colour, white, turned(10, 6, x, y), 1.0)[y, x] == 255).all()
    assert np.array_equal(pasted(colour, white, turned(0, 6, 900, 900), 1.0), colour)


def test_a_detector_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnknown, match="there is no face detector") as told:
        FaceFinder(tmp_path / "none.onnx")
    assert told.value.hint is not None
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"no network")
    with pytest.raises(ModelCorrupt, match=r"wrong\.onnx is not a face detector"):
        FaceFinder(wrong)
    cut_off = tmp_path / "cut.onnx"
    cut_off.write_bytes(write_detector(tmp_path / "whole.onnx").read_bytes()[:4000])
    with pytest.raises(UpscaledError):
        FaceFinder(cut_off).find(scene())
