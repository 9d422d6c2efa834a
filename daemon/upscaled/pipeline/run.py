"""One job in three parts, so that a worker can overlap decoding, the device and encoding.

`prepare` reads and decodes; `upscale` is the device's; `deliver` encodes and publishes.
Each raises the errors of `upscaled.errors`; `pipeline.outcome` says what they mean for the job.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from upscaled.errors import LargeEnough, NotTaken, SourceChanged
from upscaled.image.decode import decode
from upscaled.image.encode import encode
from upscaled.image.formats import FORMATS, check_size, resolve_format
from upscaled.image.picture import Picture
from upscaled.image.probe import probe
from upscaled.image.size import fitted
from upscaled.job import Done, Order, Recipe, Result, Timings, Traits, Twin
from upscaled.output import durable
from upscaled.output.naming import NameParts, candidates
from upscaled.output.publish import publish
from upscaled.output.space import check_room
from upscaled.pipeline.provenance import encoding_of, mark_of, refuse_own
from upscaled.pipeline.source import Source, is_unchanged, read
from upscaled.pipeline.stage import Progress, Upscaler
from upscaled.pipeline.upscaling import Upscaling


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


class NoLedger:
    """For `upscaled run`: nothing is queued, nothing is remembered."""

    def describe(self, job_id: int, traits: Traits) -> str | None:  # noqa: ARG002 (the seam)
        return None

    def identify(self, job_id: int, content_sha256: str) -> Twin | None:  # noqa: ARG002 (the seam)
        return None

    def announce(self, job_id: int, result: Result) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Prepared:
    order: Order
    source: Source
    picture: Picture
    timings: Timings


@dataclass(frozen=True, slots=True)
class Upscaled:
    prepared: Prepared
    picture: Picture
    scale: float
    timings: Timings
    notes: tuple[str, ...]


def prepare(order: Order, ledger: Ledger, *, mark: str) -> Prepared | Done:
    """Read and decode; or, where the same bytes were done before, the copied result.

    Raises:
        NotTaken: the picture is not what the rule asks for.
        JobError: as `pipeline.source.read` and `image.decode.decode` say.
        LargeEnough: the recipe leaves such a picture alone.
        OSError: the copy could not be written.
    """
    started = time.monotonic()
    source = read(order)
    refusal = ledger.describe(order.job_id, probe(source.content)) if order.probe else None
    if refusal is not None:
        raise NotTaken(refusal)
    twin = ledger.identify(order.job_id, source.sha256)
    if twin is not None:
        done = _repeat(order, source, twin, ledger, mark=mark)
        if done is not None:
            return done
    picture = decode(source.content, round(order.recipe.max_megapixels * 1e6))
    refuse_own(order, picture.metadata.exif)
    _check_need(picture, order.recipe)
    return Prepared(
        order,
        replace(source, content=b""),
        picture,
        Timings(decode_s=time.monotonic() - started),
    )


def upscale(
    prepared: Prepared,
    upscaler: Upscaler,
    *,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Upscaled:
    """The device's part.

    Raises:
        ImageTooLarge: the result would not fit its format; told before any work.
        OSError: it would not fit on the disk; told before any work.
        Interrupted, OutOfMemory, DeviceLost, BadResult: as `Upscaler.upscale` says.
    """
    picture, recipe = prepared.picture, prepared.order.recipe
    stage = Upscaling(upscaler, recipe)
    plan = stage.plan(picture.width_px, picture.height_px)
    name = resolve_format(recipe.format, picture.format)
    check_size(name, plan.width_px, plan.height_px)
    channels = 3 if picture.alpha is None else 4
    samples = plan.width_px * plan.height_px * channels
    folder = prepared.order.delivery.folder
    check_room(folder, samples * picture.colour.itemsize, name)
    started = time.monotonic()
    larger = stage(picture, progress=progress, cancelled=cancelled)
    return Upscaled(
        prepared,
        larger,
        plan.scale,
        replace(prepared.timings, upscale_s=time.monotonic() - started),
        larger.notes + tuple(getattr(upscaler, "notes", ())),
    )


def _check_need(picture: Picture, recipe: Recipe) -> None:
    size = picture.width_px, picture.height_px
    if recipe.fit and recipe.fit.only_if_smaller and fitted(*size, recipe.fit) == size:
        raise LargeEnough(f"{size[0]}×{size[1]} px are large enough (only_if_smaller)")


def deliver(upscaled: Upscaled, ledger: Ledger, *, mark: str) -> Done:
    """Encode, make sure that the source is still the file that was read, publish.

    Raises:
        SourceChanged: it is not; nothing was published.
        ImageTooLarge, OutputExists: as their parts say.
        OSError: the result could not be written; nothing is left behind.
    """
    order, picture = upscaled.prepared.order, upscaled.picture
    name = resolve_format(order.recipe.format, picture.format)
    started = time.monotonic()
    content, notes = encode(
        picture,
        name,
        encoding_of(order.recipe),
        mark_of(order, upscaled.scale) if order.recipe.provenance else None,
    )
    encoded = time.monotonic()
    done = _publish(
        order,
        upscaled.prepared.source,
        content,
        ledger,
        extension=_extension(order.source, name),
        scale=upscaled.scale,
        size_px=(picture.width_px, picture.height_px),
        mark=mark,
    )
    timings = replace(
        upscaled.timings, encode_s=encoded - started, publish_s=time.monotonic() - encoded
    )
    return replace(done, timings=timings, notes=upscaled.notes + notes)


def _extension(source: Path, name: str) -> str:
    """The source's own spelling where it names this format (`JPEG`, `jpeg`), else the usual."""
    own = source.suffix.removeprefix(".")
    spellings = {"jpeg": {"jpg", "jpeg", "jpe", "jfif"}, "tiff": {"tif", "tiff"}}
    return own if own.lower() in spellings.get(name, {name}) else FORMATS[name].extension


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
    parts = NameParts(
        source=order.source,
        ext=extension,
        scale=scale,
        model=order.recipe.model,
        width_px=size_px[0],
        height_px=size_px[1],
        rule=order.rule,
        content_sha256=source.sha256,
        done_at=time.time(),
    )
    if not is_unchanged(order.source, source.fingerprint):
        raise SourceChanged
    published = publish(
        content,
        order.delivery.folder / order.relative,
        candidates(order.delivery.name, parts),
        mark=f"{mark}-{order.job_id}",
        collision=order.delivery.collision,
        announce=lambda path, digest: ledger.announce(
            order.job_id, Result(path, digest, *size_px, scale)
        ),
    )
    return Done(Result(published.path, published.sha256, *size_px, scale), source.sha256)


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
