"""What `output:` says of the file that is written: format, quality, what goes along."""

from dataclasses import fields
from typing import Protocol

from upscaled.config.grammar.output import Output
from upscaled.config.tree import Location
from upscaled.formats import FORMATS
from upscaled.recipe import OutputOptions

_LOSES_NOTHING = {name for name, form in FORMATS.items() if form.quality is None}
_EITHER = {name for name, form in FORMATS.items() if form.lossless}
_WITH_CHROMA = {name for name, form in FORMATS.items() if form.chroma}


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
    if output.quality is not None and wanted in _LOSES_NOTHING:
        findings.notice(
            (*there, "quality"), f"'quality' has no meaning for {wanted}: it loses nothing"
        )
    if output.lossless and wanted not in _LOSES_NOTHING | _EITHER | {"same"}:
        findings.error(
            (*there, "lossless"), f"{wanted} cannot be lossless", "write 'format: png' or webp"
        )
    if output.lossless and output.quality is not None and wanted in _EITHER:
        findings.notice((*there, "quality"), "'quality' has no meaning beside 'lossless: true'")
    if output.chroma is not None and wanted not in _WITH_CHROMA | {"same"}:
        findings.notice((*there, "chroma"), f"'chroma' has no meaning for {wanted}")
