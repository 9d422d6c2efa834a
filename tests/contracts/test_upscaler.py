"""The twin and the real networks keep the contract; broken ones do not."""

import numpy as np
import pytest

from contracts.upscaler import exercise
from support.fakes import NearestUpscaler
from upscaled.engine.upscaler import open_upscaler
from upscaled.pipeline.protocols import Pixels, Upscaler


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_the_twin_keeps_the_contract_at_every_scale(scale: int) -> None:
    exercise(NearestUpscaler(scale))


@pytest.fixture(scope="module", params=["x4plus_file", "animevideo_file"])
def resident(request: pytest.FixtureRequest) -> Upscaler:
    return open_upscaler(request.getfixturevalue(request.param))


def test_a_real_network_keeps_the_contract(resident: Upscaler) -> None:
    exercise(resident)


class Deaf(NearestUpscaler):
    def upscale(self, pixels: Pixels, **seams: object) -> Pixels:
        return super().upscale(pixels, progress=seams["progress"], cancelled=lambda: False)


class Halved(NearestUpscaler):
    def upscale(self, pixels: Pixels, **seams: object) -> Pixels:
        return super().upscale(pixels, **seams)[::2]


class Narrowed(NearestUpscaler):
    def upscale(self, pixels: Pixels, **seams: object) -> Pixels:
        return super().upscale(pixels, **seams).astype(np.uint8)


class Scribbling(NearestUpscaler):
    def upscale(self, pixels: Pixels, **seams: object) -> Pixels:
        result = super().upscale(pixels, **seams)
        pixels[...] = 0
        return result


class Silent(NearestUpscaler):
    def upscale(self, pixels: Pixels, **seams: object) -> Pixels:
        return super().upscale(pixels, progress=lambda *_: None, cancelled=seams["cancelled"])


@pytest.mark.parametrize("broken", [Deaf, Halved, Narrowed, Scribbling, Silent])
def test_the_contract_notices_what_is_broken(broken: type[Upscaler]) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        exercise(broken())
