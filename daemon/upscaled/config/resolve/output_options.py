"""What `output:` says of the file that is written: format, quality, what goes along."""

from dataclasses import fields
from typing import Protocol

from upscaled.config.grammar.output import Output
from upscaled.config.tree import Location
from upscaled.recipe import OutputOptions

LOSES_NOTHING = frozenset({"png", "tiff"})
EITHER = frozenset({"webp", "heif", "jxl"})
WITH_CHROMA = frozenset({"jpeg", "avif", "heif"})


class Notes(Protocol):
    def error(self, at: Location, message: str, hint: str | None = None) -> None: ...
    def notice(self, at: Location, message: str, hint: str | None = None) -> None: ...


def output_options(output: Output, at: Location, findings: Notes) -> OutputOptions:
    """Each key by its name; what contradicts itself or has no meaning goes into `findings`.

    `at`: the rule.
    """
    _judge(output, (*at, "output"), findings)
    return OutputOptions(**output.written(field.name for field in fields(OutputOptions)))


def _judge(output: Output, there: Location, findings: Notes) -> None:
    wanted = output.format or "same"
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
