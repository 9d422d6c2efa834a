"""One job in three parts, so that a worker can overlap decoding, the device and encoding.

`prepare` reads and decodes; `upscale` is the device's; `deliver` encodes and publishes.
Each raises the errors of `upscaled.errors`; `pipeline.outcome` says what they mean for the job.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from upscaled.errors import LargeEnough, NotTaken, UnsupportedImage
from upscaled.filesystem import mount_guard
from upscaled.formats import STREAMED
from upscaled.image.decode.frames import Frame, Frames, open_frames
from upscaled.image.decode.probe import probe
from upscaled.image.encode.animation import AnimationTarget, Encode, target_of, write_stream
from upscaled.image.encode.encode import check_extra
from upscaled.image.encode.tiff import needs_big
from upscaled.image.filters.resize import shrink
from upscaled.image.filters.result_size import SizePlan, fitted
from upscaled.image.picture import Picture
from upscaled.job import Order
from upscaled.outcomes import Done, Timings
from upscaled.output import durable
from upscaled.output.free_space import check_room
from upscaled.pipeline.deliver import deliver, encoded, repeat
from upscaled.pipeline.encode_thread import written_beside
from upscaled.pipeline.frame_pipeline import Encoded, spooled, through
from upscaled.pipeline.frame_spool import FrameSpool, reeled
from upscaled.pipeline.handoff import Opened, Prepared, Upscaled
from upscaled.pipeline.protocols import (
    DecodeLimits,
    Ledger,
    NoDecodeLimits,
    Progress,
    Stage,
    limited,
)
from upscaled.pipeline.provenance import refuse_own
from upscaled.pipeline.quality_check import Checked
from upscaled.pipeline.source_file import SourceFile, read
from upscaled.pipeline.stages.upscale import Fallback, Upscaling, placed
from upscaled.pipeline.stages.workflow import Open, PlannedStage, WorkflowOutputs, open_flow
from upscaled.recipe import IMAGE_QUALITY, Recipe

__all__ = [
    "Ledger",
    "Opened",
    "Prepared",
    "Upscaled",
    "deliver",
    "open_stage",
    "prepare",
    "work",
]

_NO_GUARD = NoDecodeLimits()


def prepare(
    order: Order, ledger: Ledger, *, mark: str, guard: DecodeLimits = _NO_GUARD
) -> Prepared | Done:
    """Read and decode; or, where the same bytes were done before, the copied result.

    `guard` limits what decoding may take, and nothing else.

    Raises:
        NotTaken: the picture is not what the rule asks for.
        JobError: as `pipeline.source.read` and `image.frames.open_frames` say.
        LargeEnough: the recipe leaves such a picture alone.
        UnsupportedImage: frames would be lost with the source that the rule deletes.
        OSError: the copy could not be written.
    """
    started = time.monotonic()
    source = read(order)
    _check_traits(order, source, ledger, guard)
    twin = ledger.identify(order.job_id, source.sha256)
    # What is made besides the result is not known of the twin.
    if twin is not None and not order.delivery.extras and order.delivery.check is None:
        if order.delivery.on_success == "delete":
            _check_loss(order, _frames(order, source, guard))
        done = repeat(order, source, twin, ledger, mark=mark)
        if done is not None:
            return done
    frames = _frames(order, source, guard)
    refuse_own(order, frames.first.metadata.exif)
    _check_need(frames, order.recipe)
    _check_loss(order, frames)
    return Prepared(
        order,
        replace(source, content=b""),
        frames,
        Timings(decode_s=time.monotonic() - started),
    )


def _check_traits(order: Order, source: SourceFile, ledger: Ledger, guard: DecodeLimits) -> None:
    if order.probe:
        with guard.over(order, len(source.content)):
            image_info = probe(source.content)
        if (refusal := ledger.describe(order.job_id, image_info)) is not None:
            raise NotTaken(refusal)


def _frames(order: Order, source: SourceFile, guard: DecodeLimits) -> Frames:
    with guard.over(order, len(source.content)) as expect:
        return open_frames(source.content, round(order.recipe.source_limit_mp * 1e6), expect)


def open_stage(order: Order, opened: Open) -> Opened:
    """Raises: ModelError, DeviceError: as `opened` does."""
    recipe, delivery = order.recipe, order.delivery
    side = WorkflowOutputs(frozenset(extra.stage for extra in delivery.extras))
    alone = not recipe.stages
    stage: PlannedStage = (
        Upscaling(opened(recipe), recipe) if alone else open_flow(recipe, side, opened)
    )
    measured = any(step.task == IMAGE_QUALITY for step in recipe.stages)
    if delivery.check and not measured:
        stage = Checked(stage, side)
    return Opened(stage, side)


def work(
    prepared: Prepared,
    opened: Opened,
    *,
    progress: Progress,
    cancelled: Callable[[], bool],
    guard: DecodeLimits = _NO_GUARD,
) -> Upscaled:
    """The device's part.

    Raises:
        ImageTooLarge: the result would not fit its format; told before any work.
        OSError: it would not fit on the disk, or the folder takes no file; told before any work.
        DiskMissing: the output's disk is not mounted.
        Interrupted, OutOfMemory, DeviceLost, BadResult: as `Upscaler.upscale` says.
        JobError: a stage of a workflow failed; which one is said.
    """
    frames, order = prepared.frames, prepared.order
    target = target_of(order.recipe.output.format, frames)
    stage = opened.stage
    sizes = frames.sizes_px if target.is_stream else frames.sizes_px[:1]
    plans = {size: stage.plan(*size) for size in dict.fromkeys(sizes)}
    plan = plans[sizes[0]]
    aim = placed(order.recipe.output, target, plan.width_px, plan.height_px)
    target = replace(target, format=aim.format)
    check_extra(target.format)
    share = (aim.width_px * aim.height_px) / (plan.width_px * plan.height_px)
    _check_room(prepared, target, [plans[size] for size in sizes], share)
    started = time.monotonic()
    # Pages have sizes of their own, which TIFF can hold.
    planned = (plan.width_px, plan.height_px) == (aim.width_px, aim.height_px)
    fitting = stage if planned and target.is_stream else _Fitting(stage, aim)
    made: Picture | Encoded
    if target.is_stream:
        larger = through(
            limited(frames, order, guard), frames, fitting, progress=progress, cancelled=cancelled
        )
        if order.delivery.check and order.delivery.check.sheet:
            larger = _first_kept(larger, opened.side)
        if opened.side.wanted:
            larger = _reeled(larger, opened.side, order)
        is_big = needs_big(_page_bytes(frames, plans))
        made = _streamed(
            larger,
            prepared,
            target,
            lambda picture: encoded(order, picture, target.format, plan.scale, is_big=is_big),
        )
    else:
        made = fitting(frames.first, progress=progress, cancelled=cancelled)
    return Upscaled(
        prepared,
        target,
        made,
        (aim.width_px, aim.height_px),
        plan.scale * aim.width_px / plan.width_px,
        replace(prepared.timings, upscale_s=time.monotonic() - started),
        tuple(dict.fromkeys((*made.notes, *frames.notes, *target.notes, *aim.notes, *stage.notes))),
        opened.side,
    )


def _first_kept(larger: Iterator[Frame], side: WorkflowOutputs) -> Iterator[Frame]:
    for frame in larger:
        side.first = side.first or frame.picture
        yield frame


def _reeled(larger: Iterator[Frame], side: WorkflowOutputs, order: Order) -> Iterator[Frame]:
    """Keeps what other stages give meanwhile, where the rule wants their frames too."""
    folder = order.delivery.folder / order.relative
    durable.make_folder(folder)
    side.reels.update((name, FrameSpool(folder)) for name in side.wanted)
    return reeled(larger, side.pictures, side.reels)


def _streamed(
    larger: Iterator[Frame], prepared: Prepared, target: AnimationTarget, encode: Encode
) -> Encoded:
    """All frames in a file; each is encoded while the next is on the device."""
    order = prepared.order
    return spooled(
        order.delivery.folder / order.relative,
        lambda stream: written_beside(
            larger,
            lambda arriving: write_stream(
                stream,
                arriving,
                prepared.frames,
                name=target.format,
                encode=encode,
                encoding=order.recipe.output,
            ),
        ),
    )


def _page_bytes(frames: Frames, plans: Mapping[tuple[int, int], SizePlan]) -> int:
    """What the pages of a result may take in a TIFF, whatever compression makes of them."""
    sizes = (plans[size] for size in frames.sizes_px)
    pixels = zip(sizes, frames.px_bytes, strict=False)
    # Of all that travels with a page there is no more than in the source, and in one more block.
    return sum(plan.width_px * plan.height_px * each for plan, each in pixels) + 2 * len(
        frames.content
    )


@dataclass(frozen=True, slots=True)
class _Fitting:
    """A `Stage` whose pictures are then made as small as their format wants them."""

    stage: Stage
    aim: Fallback

    def __call__(
        self, picture: Picture, *, progress: Progress, cancelled: Callable[[], bool]
    ) -> Picture:
        made = self.stage(picture, progress=progress, cancelled=cancelled)
        return shrink(made, self.aim.width_px, self.aim.height_px)


def _check_need(frames: Frames, recipe: Recipe) -> None:
    fit = recipe.fit
    if fit and fit.only_if_smaller and all(fitted(*px, fit) == px for px in frames.sizes_px):
        width, height = frames.sizes_px[0]
        raise LargeEnough(f"{width}×{height} px are large enough (only_if_smaller)")


def _check_loss(order: Order, frames: Frames) -> None:
    if frames.left_out and order.delivery.on_success == "delete":
        raise UnsupportedImage(
            f"its rule deletes the source, and {frames.left_out} in it would be lost",
            hint="set `on_success: keep` or `trash` in the rule",
        )
    target = target_of(order.recipe.output.format, frames)
    if frames.count > 1 and not target.is_stream and order.delivery.on_success == "delete":
        raise UnsupportedImage(
            f"{target.format} holds one picture, and its rule deletes the source: "
            f"{frames.count - 1} of {frames.count} would be lost",
            hint="set `format: same` or `on_success: keep` in the rule",
        )


def _check_room(
    prepared: Prepared, target: AnimationTarget, plans: list[SizePlan], share: float
) -> None:
    """Whether the disk has room for all frames, `share` of whose planned pixels are written."""
    picture = prepared.picture
    channels = 4 if prepared.frames.has_alpha or picture.alpha is not None else 3
    pixels = sum(plan.width_px * plan.height_px for plan in plans)
    # Frames of an animation are mostly alike: together they take as little as a lossy picture.
    moves = target.is_stream and prepared.frames.timeline is not None
    order = prepared.order
    delivery = order.delivery
    mount_guard.check_mount(delivery.folder, order.output_mount, required=delivery.require_mount)
    check_room(
        delivery.folder / order.relative,
        round(pixels * share) * channels * picture.colour.itemsize,
        is_lossy=moves or STREAMED[target.format].quality is not None,
    )
