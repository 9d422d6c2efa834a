"""What the plan of an ESRGAN network keeps over the whole picture."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from upscaled.engine.device import Device
from upscaled.engine.network import load_network
from upscaled.engine.plans.plan import PICTURE
from upscaled.engine.plans.planner import plan_for


@pytest.mark.parametrize(("kind", "channels"), [("x4", 64), ("x2", 64), ("x8", 32), ("plus", 64)])
def test_three_feature_maps_are_all_that_is_kept(
    kind: str, channels: int, network_file: Callable[[str], Path]
) -> None:
    """In bf16 384 B for each pixel of x4plus; the goal allows 600 with the result and all else."""
    plan = plan_for(load_network(network_file(kind)), Device(torch.device("cpu"), torch.float32))
    assert plan.slots == 3
    assert plan.peak_map_channels() == 3 * channels


def test_what_is_made_again_comes_from_the_picture(network_file: Callable[[str], Path]) -> None:
    """A map could have been overwritten by then."""
    plan = plan_for(load_network(network_file("x4")), Device(torch.device("cpu"), torch.float32))
    remade = [block.remade for block in plan.blocks if block.remade is not None]
    assert [block.source for block in remade] == [PICTURE]
    assert remade[0] is plan.blocks[0]
