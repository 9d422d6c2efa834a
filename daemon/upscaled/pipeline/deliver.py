"""The last part of a job: encoded, and published with all that belongs beside it."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

from upscaled.delivery import Extra
from upscaled.errors import SourceChanged
from upscaled.filesystem import mount_guard
from upscaled.formats import resolve_format, suffix
from upscaled.image.encode.animation import target_of, write_stream
from upscaled.image.encode.encode import encode
from upscaled.image.encode.tiff import needs_big
from upscaled.image.picture import Picture
from upscaled.job import Order
from upscaled.outcomes import Done, Duplicate, Result
from upscaled.output import durable
from upscaled.output.naming import NameParts, candidates
from upscaled.output.publish import publish
from upscaled.pipeline.extras import Beside, QualityVerdict, first_free, judged, redirected
from upscaled.pipeline.frame_pipeline import Encoded, spooled
from upscaled.pipeline.handoff import Upscaled
from upscaled.pipeline.protocols import Ledger
from upscaled.pipeline.provenance import mark_of
from upscaled.pipeline.source_file import SourceFile, is_unchanged


def encoded(
    order: Order, picture: Picture, name: str, scale: float, *, is_big: bool = False
) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a picture as the rule wants them, and what could not be kept.

    `is_big`: it is a page of a TIFF that all together will be larger than 4 GB.
    """
    options = order.recipe.output
    software = mark_of(order, scale) if options.provenance else None
    return encode(picture, name, options, software, is_big=is_big)


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
    whole = made if isinstance(made, Picture) else upscaled.side.first
    if isinstance(made, Picture):
        made = Encoded(*encoded(order, made, target.format, upscaled.scale))
    encoded_at = time.monotonic()
    if not is_unchanged(order.source, upscaled.prepared.source.fingerprint):
        raise SourceChanged
    order = redirected(order, verdict)
    if order.delivery.check:
        _publish_beside(order, upscaled, whole, verdict, made.content, mark=mark)
    extra_notes = () if verdict.review else _publish_extras(order, upscaled, mark=mark)
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
        upscaled.timings, encode_s=encoded_at - started, publish_s=time.monotonic() - encoded_at
    )
    notes = tuple(dict.fromkeys(upscaled.notes + made.notes + extra_notes + verdict.notes))
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
    verdict: QualityVerdict,
    content: durable.Bytes,
    *,
    mark: str,
) -> None:
    delivery, check = order.delivery, order.delivery.check
    if check is None or not (check.sidecar or check.sheet):
        return
    mount_guard.check_mount(delivery.folder, order.output_mount, required=delivery.require_mount)
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
    beside = Beside(order, name, f"{mark}-{order.job_id}", upscaled.prepared.source.mode)
    if check.sidecar:
        beside.figures(verdict)
    if check.sheet and whole is not None:
        beside.sheet(check.sheet, upscaled.prepared.picture, whole, verdict)


def _publish_extras(order: Order, upscaled: Upscaled, *, mark: str) -> tuple[str, ...]:
    """What other stages gave, in folders of their own; what could not be kept."""
    width = max(upscaled.prepared.picture.width_px, 1)
    notes: tuple[str, ...] = ()
    for extra in order.delivery.extras:
        mount_guard.check_mount(extra.folder, None, required=None)
        made, picture, name = _made_extra(order, upscaled, extra)
        parts = _parts(
            order,
            upscaled.prepared.source,
            extension=_extension(order.source, name),
            scale=picture.width_px / width,
            size_px=(picture.width_px, picture.height_px),
        )
        publish(
            made.content,
            extra.folder / order.relative,
            candidates(extra.name, parts),
            mark=f"{mark}-{order.job_id}",
            collision=order.delivery.collision,
            announce=lambda _path, _digest: None,
            mode=upscaled.prepared.source.mode,
        )
        notes += tuple(f"'{extra.stage}': {note}" for note in made.notes)
    return notes


def _made_extra(order: Order, upscaled: Upscaled, extra: Extra) -> tuple[Encoded, Picture, str]:
    """Its file, its first frame, and its format."""
    frames, reel = upscaled.prepared.frames, upscaled.side.reels.get(extra.stage)
    first = reel.first if reel is not None else None
    picture = first or upscaled.side.pictures[extra.stage]
    scale = picture.width_px / max(upscaled.prepared.picture.width_px, 1)
    options = order.recipe.output
    if extra.quality is not None:
        options = replace(options, quality=extra.quality)
        order = replace(order, recipe=replace(order.recipe, output=options))
    if reel is None:
        name = resolve_format(extra.format, picture.format)
        return Encoded(*encoded(order, picture, name, scale)), picture, name
    target = target_of(extra.format, frames)
    if not target.is_stream:
        content, notes = encoded(order, picture, target.format, scale)
        return Encoded(content, (*target.notes, *notes)), picture, target.format
    is_big = needs_big(reel.size_bytes + 2 * len(frames.content))
    made = spooled(
        extra.folder / order.relative,
        lambda stream: write_stream(
            stream,
            reel.frames(),
            frames,
            name=target.format,
            encode=lambda each: encoded(order, each, target.format, scale, is_big=is_big),
            encoding=options,
        ),
    )
    return made, picture, target.format


def _extension(source: Path, name: str) -> str:
    """The source's own spelling where it names this format (`JPEG`, `jpeg`), else the usual."""
    own = source.suffix.removeprefix(".")
    return suffix(name, own)


def _publish(
    order: Order,
    source: SourceFile,
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
    with mount_guard.hold_mount(
        delivery.folder,
        order.output_mount,
        required=delivery.require_mount,
        make=durable.make_folder,
    ) as found:
        if found != order.output_mount:
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
            mode=source.mode,
        )
    return Done(Result(published.path, published.sha256, *size_px, scale), source.sha256)


def _parts(
    order: Order, source: SourceFile, *, extension: str, scale: float, size_px: tuple[int, int]
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


def repeat(
    order: Order, source: SourceFile, twin: Duplicate, ledger: Ledger, *, mark: str
) -> Done | None:
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
