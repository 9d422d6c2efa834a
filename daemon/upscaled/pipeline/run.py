"""One job in three parts, so that a worker can overlap decoding, the device and encoding.

`prepare` reads and decodes; `upscale` is the device's; `deliver` encodes and publishes.
Each raises the errors of `upscaled.errors`; `pipeline.outcome` says what they mean for the job.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from upscaled import footing
from upscaled.errors import LargeEnough, NotTaken, SourceChanged, UnsupportedImage
from upscaled.image.encode import check_extra, encode
from upscaled.image.formats import STREAMED
from upscaled.image.frames import Frames, open_frames
from upscaled.image.picture import Picture
from upscaled.image.probe import probe
from upscaled.image.resize import shrink
from upscaled.image.size import SizePlan, fitted
from upscaled.image.streams import Target, target_of, write_stream
from upscaled.job import (
    IMAGE_QUALITY,
    Done,
    Footing,
    Order,
    Recipe,
    Result,
    Timings,
    Traits,
    Twin,
)
from upscaled.output import durable
from upscaled.output.naming import NameParts, candidates
from upscaled.output.publish import publish
from upscaled.output.space import check_room
from upscaled.pipeline.beside import Beside, Verdict, first_free, judged, redirected
from upscaled.pipeline.check import Checked
from upscaled.pipeline.flow import Open, Side, Sized, open_flow
from upscaled.pipeline.frames import Encoded, spooled, through
from upscaled.pipeline.minding import Guard, NoGuard, minded
from upscaled.pipeline.provenance import encoding_of, mark_of, refuse_own
from upscaled.pipeline.source import Source, is_unchanged, read
from upscaled.pipeline.stage import Progress, Stage, Upscaler
from upscaled.pipeline.too_large import Place, placed
from upscaled.pipeline.upscaling import Upscaling

_NO_GUARD = NoGuard()
_SPELLINGS = {
    "jpeg": {"jpg", "jpeg", "jpe", "jfif"},
    "tiff": {"tif", "tiff"},
    "heif": {"heic", "heif"},
}


class Ledger(Protocol):
    """What a job has to ask of, and tell to, the queue while it runs."""

    def describe(self, job_id: int, traits: Traits) -> str | None:
        """Why the rule does not take such a picture; None: it does."""
        ...

    def identify(self, job_id: int, content_sha256: str) -> Twin | None:
        """An earlier result of the same bytes by the same rule and recipe."""
        ...

    def announce(self, job_id: int, result: Result) -> None:
        """Committed when this returns: the file that is about to get this name is the job's."""
        ...

    def found(self, folder: Path, footing: Footing) -> None:
        """What an output folder lies on, where it is news."""
        ...


class NoLedger:
    """For `upscaled run`: nothing is queued, nothing is remembered."""

    def describe(self, job_id: int, traits: Traits) -> str | None:  # noqa: ARG002 (the seam)
        return None

    def identify(self, job_id: int, content_sha256: str) -> Twin | None:  # noqa: ARG002 (the seam)
        return None

    def announce(self, job_id: int, result: Result) -> None:
        pass

    def found(self, folder: Path, footing: Footing) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Prepared:
    order: Order
    source: Source
    frames: Frames
    timings: Timings

    @property
    def picture(self) -> Picture:
        """The first frame."""
        return self.frames.first


@dataclass(frozen=True, slots=True)
class Upscaled:
    prepared: Prepared
    target: Target
    made: Picture | Encoded
    """A stream of frames is encoded as it is made."""
    size_px: tuple[int, int]
    """Width and height of the first frame."""
    scale: float
    timings: Timings
    notes: tuple[str, ...]
    side: Side = field(default_factory=Side)


def prepare(
    order: Order, ledger: Ledger, *, mark: str, guard: Guard = _NO_GUARD
) -> Prepared | Done:
    """Read and decode; or, where the same bytes were done before, the copied result.

    `guard` minds all that is decoded, and nothing else.

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
        done = _repeat(order, source, twin, ledger, mark=mark)
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


def _check_traits(order: Order, source: Source, ledger: Ledger, guard: Guard) -> None:
    if order.probe:
        with guard.over(order, len(source.content)):
            traits = probe(source.content)
        if (refusal := ledger.describe(order.job_id, traits)) is not None:
            raise NotTaken(refusal)


def _frames(order: Order, source: Source, guard: Guard) -> Frames:
    with guard.over(order, len(source.content)) as expect:
        return open_frames(source.content, round(order.recipe.source_limit_mp * 1e6), expect)


def upscale(
    prepared: Prepared,
    upscaler: Upscaler,
    *,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Upscaled:
    """`work` for a recipe of one network."""
    recipe = prepared.order.recipe
    opened = open_stage(prepared.order, lambda _: upscaler)
    assert not recipe.stages  # noqa: S101  (a workflow has networks of its own)
    return work(prepared, opened, progress=progress, cancelled=cancelled)


@dataclass(frozen=True, slots=True)
class Opened:
    """What is done to each frame, with its networks loaded."""

    stage: Sized
    side: Side


def open_stage(order: Order, opened: Open) -> Opened:
    """Raises: ModelError, DeviceError: as `opened` does."""
    recipe, delivery = order.recipe, order.delivery
    side = Side(frozenset(extra.stage for extra in delivery.extras))
    alone = not recipe.stages
    stage: Sized = Upscaling(opened(recipe), recipe) if alone else open_flow(recipe, side, opened)
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
    guard: Guard = _NO_GUARD,
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
    target = target_of(order.recipe.format, frames)
    stage = opened.stage
    sizes = frames.sizes_px if target.is_stream else frames.sizes_px[:1]
    plans = {size: stage.plan(*size) for size in dict.fromkeys(sizes)}
    plan = plans[sizes[0]]
    aim = placed(order.recipe, target, plan.width_px, plan.height_px)
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
            minded(frames, order, guard), frames, fitting, progress=progress, cancelled=cancelled
        )
        made = spooled(
            order.delivery.folder / order.relative,
            lambda stream: write_stream(
                stream,
                larger,
                frames,
                name=target.format,
                encode=lambda picture: _encode(order, picture, target.format, plan.scale),
                encoding=encoding_of(order.recipe),
            ),
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


@dataclass(frozen=True, slots=True)
class _Fitting:
    """A `Stage` whose pictures are then made as small as their format wants them."""

    stage: Stage
    aim: Place

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
    target = target_of(order.recipe.format, frames)
    if frames.count > 1 and not target.is_stream and order.delivery.on_success == "delete":
        raise UnsupportedImage(
            f"{target.format} holds one picture, and its rule deletes the source: "
            f"{frames.count - 1} of {frames.count} would be lost",
            hint="set `format: same` or `on_success: keep` in the rule",
        )


def _check_room(prepared: Prepared, target: Target, plans: list[SizePlan], share: float) -> None:
    """Whether the disk has room for all frames, `share` of whose planned pixels are written."""
    picture = prepared.picture
    channels = 4 if prepared.frames.has_alpha or picture.alpha is not None else 3
    pixels = sum(plan.width_px * plan.height_px for plan in plans)
    # Frames of an animation are mostly alike: together they take as little as a lossy picture.
    moves = target.is_stream and prepared.frames.timeline is not None
    order = prepared.order
    delivery = order.delivery
    footing.look(delivery.folder, order.output_footing, required=delivery.require_mount)
    check_room(
        delivery.folder / order.relative,
        round(pixels * share) * channels * picture.colour.itemsize,
        "webp" if moves else target.format,
    )


def _encode(
    order: Order, picture: Picture, name: str, scale: float
) -> tuple[bytes, tuple[str, ...]]:
    software = mark_of(order, scale) if order.recipe.provenance else None
    return encode(picture, name, encoding_of(order.recipe), software)


def deliver(upscaled: Upscaled, ledger: Ledger, *, mark: str) -> Done:
    """Encode, make sure that the source is still the file that was read, publish.

    Raises:
        SourceChanged: it is not; nothing was published.
        ImageTooLarge, OutputExists, DiskMissing: as their parts say.
        OSError: the result could not be written; nothing is left behind.
    """
    order, made, target = upscaled.prepared.order, upscaled.made, upscaled.target
    started = time.monotonic()
    verdict = judged(upscaled.side, order.delivery.check)
    whole = made if isinstance(made, Picture) else None
    if isinstance(made, Picture):
        made = Encoded(*_encode(order, made, target.format, upscaled.scale))
    encoded = time.monotonic()
    if not is_unchanged(order.source, upscaled.prepared.source.fingerprint):
        raise SourceChanged
    order = redirected(order, verdict)
    if order.delivery.check:
        _publish_beside(order, upscaled, whole, verdict, made.content, mark=mark)
    if not verdict.review:
        _publish_extras(order, upscaled, mark=mark)
    done = _publish(
        order,
        upscaled.prepared.source,
        made.content,
        ledger,
        extension=_extension(order.source, target.format),
        scale=upscaled.scale,
        size_px=upscaled.size_px,
        mark=mark,
    )
    timings = replace(
        upscaled.timings, encode_s=encoded - started, publish_s=time.monotonic() - encoded
    )
    notes = tuple(dict.fromkeys(upscaled.notes + made.notes + verdict.notes))
    return replace(
        done,
        timings=timings,
        notes=notes,
        figures=verdict.figures,
        stages_s=dict(upscaled.side.seconds),
    )


def _publish_beside(
    order: Order,
    upscaled: Upscaled,
    whole: Picture | None,
    verdict: Verdict,
    content: durable.Bytes,
    *,
    mark: str,
) -> None:
    delivery, check = order.delivery, order.delivery.check
    if check is None or not (check.sidecar or check.sheet):
        return
    footing.look(delivery.folder, order.output_footing, required=delivery.require_mount)
    parts = _parts(
        order,
        upscaled.prepared.source,
        extension=_extension(order.source, upscaled.target.format),
        scale=upscaled.scale,
        size_px=upscaled.size_px,
    )
    name = first_free(
        delivery,
        delivery.folder / order.relative,
        candidates(delivery.name, parts),
        hashlib.sha256(content).hexdigest(),
    )
    beside = Beside(order, name, f"{mark}-{order.job_id}")
    if check.sidecar:
        beside.figures(verdict)
    if check.sheet and whole is not None:
        beside.sheet(check.sheet, upscaled.prepared.picture, whole, verdict)


def _publish_extras(order: Order, upscaled: Upscaled, *, mark: str) -> None:
    """What other stages gave, in folders of their own."""
    width = max(upscaled.prepared.picture.width_px, 1)
    for extra in order.delivery.extras:
        footing.look(extra.folder, None, required=None)
        picture = upscaled.side.pictures[extra.stage]
        name = target_of(extra.format, upscaled.prepared.frames).format
        scale = picture.width_px / width
        parts = _parts(
            order,
            upscaled.prepared.source,
            extension=_extension(order.source, name),
            scale=scale,
            size_px=(picture.width_px, picture.height_px),
        )
        publish(
            _encode(order, picture, name, scale)[0],
            extra.folder / order.relative,
            candidates(extra.name, parts),
            mark=f"{mark}-{order.job_id}",
            collision=order.delivery.collision,
            announce=lambda _path, _digest: None,
        )


def _extension(source: Path, name: str) -> str:
    """The source's own spelling where it names this format (`JPEG`, `jpeg`), else the usual."""
    own = source.suffix.removeprefix(".")
    spellings = {"jpeg": {"jpg", "jpeg", "jpe", "jfif"}, "tiff": {"tif", "tiff"}}
    return own if own.lower() in spellings.get(name, {name}) else STREAMED[name].extension


def _publish(
    order: Order,
    source: Source,
    content: durable.Bytes,
    ledger: Ledger,
    *,
    extension: str,
    scale: float,
    size_px: tuple[int, int],
    mark: str,
) -> Done:
    parts = _parts(order, source, extension=extension, scale=scale, size_px=size_px)
    if not is_unchanged(order.source, source.fingerprint):
        raise SourceChanged
    delivery = order.delivery
    with footing.held(
        delivery.folder,
        order.output_footing,
        required=delivery.require_mount,
        make=durable.make_folder,
    ) as found:
        if found != order.output_footing:
            ledger.found(delivery.folder, found)
        published = publish(
            content,
            delivery.folder / order.relative,
            candidates(delivery.name, parts),
            mark=f"{mark}-{order.job_id}",
            collision=delivery.collision,
            announce=lambda path, digest: ledger.announce(
                order.job_id, Result(path, digest, *size_px, scale)
            ),
            within=delivery.folder,
        )
    return Done(Result(published.path, published.sha256, *size_px, scale), source.sha256)


def _parts(
    order: Order, source: Source, *, extension: str, scale: float, size_px: tuple[int, int]
) -> NameParts:
    return NameParts(
        source=order.source,
        ext=extension,
        scale=scale,
        model=order.recipe.model or "none",
        width_px=size_px[0],
        height_px=size_px[1],
        rule=order.rule,
        content_sha256=source.sha256,
        done_at=time.time(),
    )


def _repeat(order: Order, source: Source, twin: Twin, ledger: Ledger, *, mark: str) -> Done | None:
    """The earlier result under this source's name; None where it is gone or was changed."""
    earlier = twin.result
    try:
        content = earlier.path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != earlier.sha256:
        return None
    done = _publish(
        order,
        source,
        content,
        ledger,
        extension=earlier.path.suffix.removeprefix("."),
        scale=earlier.scale,
        size_px=(earlier.width_px, earlier.height_px),
        mark=mark,
    )
    note = f"the same image as job {twin.job_id}: its result was copied"
    return replace(done, duplicate_of=twin.job_id, notes=(note,))
