"""The exact plan of the ESRGAN family (RRDBNet): one block for each residual dense block."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from upscaled.engine.device import Device
from upscaled.engine.plans.conv import Chain, conv_of
from upscaled.engine.plans.plan import (
    PICTURE,
    Body,
    Exactness,
    Plan,
    PlanBlock,
    elements_per_px,
    macs_per_px,
    padded_block,
    shrunk,
)
from upscaled.engine.plans.receptive_field import NotLocal, reach_of
from upscaled.engine.plans.tail import tail_block
from upscaled.engine.tiling.scratch import Scratch, clear_outside
from upscaled.engine.tiling.tiles import Box

RESIDUAL = 0.2
"""What dense blocks, and groups of three, are scaled by before their input is added."""

_INPUT, _FIRST, _SECOND = range(3)
"""Slots: the current group's input, and two between its dense blocks."""


def esrgan_plan(net: Any, scale: int, device: Device) -> Plan:
    """For spandrel's RRDBNet, whichever key layout the file had; see its `forward`.

    Three feature maps are alive at once: the third dense block writes over its group's input,
    which it needs under the core only; and what the first convolution gave is computed again
    where it is added at the end, for a ten-thousandth of the work.
    """
    first, trunk, *tail = list(net.model)
    *groups, last = list(trunk.sub)
    filters = last.out_channels
    scratch = Scratch()
    opening = padded_block(
        first,
        run=Chain([first], device, takes_picture=True),
        source=PICTURE,
        target=_INPUT,
        channels=filters,
    )
    blocks = [opening]
    for group in groups:
        steps = ((_INPUT, _FIRST, None), (_FIRST, _SECOND, None), (_SECOND, _INPUT, _INPUT))
        dense = (group.RDB1, group.RDB2, group.RDB3)
        for block, (source, target, shortcut) in zip(dense, steps, strict=True):
            blocks.append(
                PlanBlock(
                    body=_dense_body(block, device, scratch, has_shortcut=shortcut is not None),
                    halo_px=reach_of(block).halo_px,
                    source=source,
                    target=target,
                    channels=filters,
                    shortcut=shortcut,
                    macs_per_px=macs_per_px(block),
                    elements_per_px=elements_per_px(block),
                )
            )
    blocks.append(
        PlanBlock(
            body=_Joining(last, device, scratch),
            halo_px=reach_of(last).halo_px,
            source=_INPUT,
            target=_FIRST,
            channels=filters,
            remade=opening,
            macs_per_px=macs_per_px(last),
            elements_per_px=elements_per_px(last),
        )
    )
    blocks.append(_tail_block(tail, device, scratch))
    return Plan(tuple(blocks), Exactness.EXACT, net.shuffle_factor or 1, scale, scratch)


def _tail_block(tail: list[nn.Module], device: Device, scratch: Scratch) -> PlanBlock:
    try:
        return tail_block(tail, device, scratch, source=_FIRST)
    except NotLocal:  # pixel-shuffle, or ×3
        return padded_block(
            nn.Sequential(*tail),
            run=Chain(tail, device, gives_picture=True),
            source=_FIRST,
            target=PICTURE,
            channels=3,
        )


def dense_blocks(net: Any) -> list[Any]:
    """The modules of the residual dense blocks, in the order in which they are run."""
    *groups, _ = net.model[1].sub
    return [block for group in groups for block in (group.RDB1, group.RDB2, group.RDB3)]


def _dense_body(block: Any, device: Device, scratch: Scratch, *, has_shortcut: bool) -> Body:
    if block.conv1x1 is not None:
        return _WholeDenseBlock(block, device)  # ESRGAN+ has paths of its own
    return DenseBlock(block, device, scratch, has_shortcut=has_shortcut)


class _WholeDenseBlock:
    """The module as it is, for layouts that have no fast form here."""

    def __init__(self, block: nn.Module, device: Device) -> None:
        self._block = deepcopy(block).to(device.where, device.dtype)

    def __call__(
        self, source: Tensor, region: Box, core: Box, inside: Box, shortcut: Tensor | None
    ) -> Tensor:
        del inside
        result = shrunk(self._block(source), core.within(region))
        return result if shortcut is None else torch.add(shortcut, result, alpha=RESIDUAL)


class DenseBlock:
    """Five convolutions, each over all that came before it, and 0.2 × the last + the input.

    Each computes only what those after it need (its output shrinks towards the core by one
    kernel radius), and zeros are written around the features at the image's edges only. The
    factors 0.2 are folded into the last convolution, which adds its result to the input.
    """

    def __init__(self, block: Any, device: Device, scratch: Scratch, *, has_shortcut: bool) -> None:
        gain = RESIDUAL**2 if has_shortcut else RESIDUAL
        dense = (block.conv1, block.conv2, block.conv3, block.conv4)
        self._convs = [conv_of(layer, device) for layer in dense]
        self._convs.append(conv_of(block.conv5, device, gain=gain))
        self._scratch = scratch
        self._device = device

    def __call__(
        self, source: Tensor, region: Box, core: Box, inside: Box, shortcut: Tensor | None
    ) -> Tensor:
        held, held_box = source, region
        fresh: Tensor | None = None
        for index, conv in enumerate(self._convs):
            later = sum(after.radius for after in self._convs[index + 1 :])
            wanted = core.grown(later, inside)
            ringed = wanted.spread(conv.radius)
            feed = self._scratch.take(index % 2, conv.in_channels, ringed, self._device)
            clear_outside(feed, ringed, inside)
            box = wanted.grown(conv.radius, inside)
            rows, columns = box.within(ringed).slices
            kept = held.shape[1]
            feed[:, :kept, rows, columns] = shrunk(held, box.within(held_box))
            if fresh is not None:
                feed[:, kept:, rows, columns] = fresh
            held, held_box = feed, ringed
            if index < len(self._convs) - 1:
                fresh = conv(feed)
        total = shrunk(source, core.within(region))
        if shortcut is None:
            total = total.clone(memory_format=torch.channels_last)
        else:
            total = torch.add(shortcut, total, alpha=RESIDUAL)
            total = total.contiguous(memory_format=torch.channels_last)
        return self._convs[-1].add_to(total, held)


class _Joining:
    """A convolution that is added to the shortcut before it is rounded."""

    def __init__(self, layer: nn.Module, device: Device, scratch: Scratch) -> None:
        self._conv = conv_of(layer, device)
        self._scratch = scratch
        self._device = device

    def __call__(
        self, source: Tensor, region: Box, core: Box, inside: Box, shortcut: Tensor | None
    ) -> Tensor:
        ringed = core.spread(self._conv.radius)
        feed = self._scratch.ringed(source, region, ringed, inside, self._device)
        if shortcut is None:
            return self._conv(feed)
        return self._conv.add_to(shortcut.clone(memory_format=torch.channels_last), feed)
