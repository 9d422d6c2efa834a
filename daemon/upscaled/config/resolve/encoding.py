"""What `output:` says of the file that is written: format, quality, what goes along."""

from typing import Any, Protocol

from upscaled.config.grammar.output import Output
from upscaled.config.tree import Location

LOSES_NOTHING = frozenset({"png", "tiff"})
EITHER = frozenset({"webp", "heif", "jxl"})
WITH_CHROMA = frozenset({"jpeg", "avif", "heif"})
_KEPT = (
    *("quality", "lossless", "effort", "chroma", "metadata", "provenance"),
    *("on_too_large", "colour_fix"),
)


class Notes(Protocol):
    def error(self, at: Location, message: str, hint: str | None = None) -> None: ...
    def notice(self, at: Location, message: str, hint: str | None = None) -> None: ...


def encoding(output: Output, at: Location, findings: Notes) -> dict[str, Any]:
    """Fields of a recipe, those that are written; what has no meaning is noted."""
    wanted = output.format or "same"
    there = (*at, "output")
    if output.quality is not None and wanted in LOSES_NOTHING:
        findings.notice(
            (*there, "quality"), f"'quality' has no meaning for {wanted}: it loses nothing"
        )
    if output.lossless and wanted not in LOSES_NOTHING | EITHER | {"same"}:
        findings.error(
            (*there, "lossless"), f"{wanted} cannot be lossless", "write 'format: png' or webp"
        )
    if output.lossless and output.quality is not None and wanted in EITHER:
        findings.notice((*there, "quality"), "'quality' has no meaning beside 'lossless: true'")
    if output.chroma is not None and wanted not in WITH_CHROMA | {"same"}:
        findings.notice((*there, "chroma"), f"'chroma' has no meaning for {wanted}")
    written = {key: getattr(output, key) for key in _KEPT}
    return {key: value for key, value in written.items() if value is not None}
