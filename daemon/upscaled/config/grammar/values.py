"""The values that may stand in a configuration: what each accepts, and what it says if it cannot.

Types for pydantic; `json_schema_input_type` is what an editor is told of them.
"""

import math
import shlex
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from upscaled.config.grammar import globs, name_template, units
from upscaled.config.grammar.conditions import Span, spelled
from upscaled.config.problems import did_you_mean, quoted
from upscaled.formats import CALLED, FORMATS, WHEN

TILE_MIN_PX = 16
TILE_MAX_PX = 16_384


class InvalidValue(ValueError):
    """A value that cannot be; `offset` is the character in it where the trouble begins."""

    def __init__(self, message: str, hint: str | None = None, offset: int = 0) -> None:
        super().__init__(message)
        self.hint = hint
        self.offset = offset


def not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise InvalidValue("a number is needed, not true or false")
    return value


def listed(value: object) -> object:
    return value if isinstance(value, list) or value is None else [value]


def one_of(*words: str, also: str = "") -> Callable[[object], str]:
    def check(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        shown = ", ".join(words) + (f" or {also}" if also else "")
        found = did_you_mean(value, words) if isinstance(value, str) else None
        raise InvalidValue(f"{quoted(value)} is not one of {shown}", found)

    return check


def _format_words() -> Any:
    """The type of every word for a format, for the JSON schema."""
    words = [word for name, form in FORMATS.items() for word in (name, *form.also_called)]
    return Literal["same", *words]


def _image_format(value: object) -> str:
    word = value.lower().removeprefix(".") if isinstance(value, str) else value
    return one_of("same", *FORMATS)(CALLED.get(str(word), word))


def _template(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue("a name for results is needed", 'for example "{stem}_{scale}x.{ext}"')
    if found := name_template.complaint(value):
        raise InvalidValue(*found)
    return value


def _pattern(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue("a pattern is text", "quote it")
    if found := globs.complaint(value):
        raise InvalidValue(*found)
    return value


def _range_of(unit: Callable[[object], float], example: str) -> Callable[[object], Span]:
    """`{min: A, max: B}`, `A..B`, `A..` or `..B`; `unit` reads one limit."""
    remedy = f"write {{min: {example}}}, {{max: {example}}}, or ..{example}"

    def limit(value: object) -> float | None:
        if value is None or value == "":
            return None
        try:
            return unit(value)
        except ValueError as error:
            raise InvalidValue(str(error), getattr(error, "hint", None) or remedy) from None

    def check(value: object) -> Span:
        if isinstance(value, dict):
            if unknown := [key for key in value if key not in {"min", "max"}]:
                raise InvalidValue(f"only min and max may stand here, not '{unknown[0]}'", remedy)
            span = Span(limit(value.get("min")), limit(value.get("max")))
        elif isinstance(value, str) and value.count("..") == 1:
            least, _, most = value.partition("..")
            span = Span(limit(least.strip()), limit(most.strip()))
        else:
            raise InvalidValue(f"{quoted(value)} is not a range", remedy)
        if span == Span():
            raise InvalidValue("a range without a limit", remedy)
        if span.least is not None and span.most is not None and span.least > span.most:
            raise InvalidValue("empty range: the smallest is more than the largest", "swap them")
        return span

    return check


def _count(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not 0 <= number < math.inf:
        raise InvalidValue(f"{quoted(value)} is not a plausible number")
    return number


def _kind_of_file(value: object) -> str:
    known = [*WHEN, "jpg", "tif"]
    word = spelled(value) if isinstance(value, str) else value
    if word in WHEN:
        return str(word)
    close = did_you_mean(value, known) if isinstance(value, str) else None
    raise InvalidValue(f"{quoted(value)} is not one of {', '.join(WHEN)}", close)


def disposal(*words: str, verb: str = "move") -> Callable[[object], tuple[str, str | None]]:
    shown = f"{{{verb}: FOLDER}}"

    def check(value: object) -> tuple[str, str | None]:
        if isinstance(value, dict) and list(value) == [verb] and isinstance(value[verb], str):
            if value[verb].strip():
                return verb, value[verb]
            raise InvalidValue(f"'{verb}' needs a folder")
        if value == verb:
            example = "originals" if verb == "move" else verb
            raise InvalidValue(f"'{verb}' needs a folder", f"write {{{verb}: ~/Upscale/{example}}}")
        if isinstance(value, dict):
            raise InvalidValue(f"only {shown} may stand here", f"or {', '.join(words)}")
        return one_of(*words, also=shown)(value), None

    return check


def _command(value: object) -> tuple[str, ...]:
    """Program and arguments."""
    if isinstance(value, str):
        try:
            words: list[object] = list(shlex.split(value))
        except ValueError as error:
            raise InvalidValue(f"{quoted(value)} is not a command: {str(error).lower()}",
                         "write a list: [program, argument]") from None  # fmt: skip
    else:
        words = list(value) if isinstance(value, list) else []
    if not words or not words[0] or not all(isinstance(word, str) for word in words):
        raise InvalidValue("a command is text, or a list of texts", "write [program, argument]")
    if any("\0" in str(word) for word in words):
        raise InvalidValue("a command holds no NUL character")
    return tuple(map(str, words))


def _memory(value: object) -> tuple[int | None, float | None]:
    part = units.share(value)
    return (None, part) if part else (units.size_bytes(value), None)


def _keep_alive(value: object) -> float:
    return math.inf if value in ("forever", -1, "-1") else units.seconds(value)


def _tile(value: object) -> int | None:
    """Pixels, or None for a size found by measurement."""
    if value in ("auto", "0", 0) and not isinstance(value, bool):
        return None
    try:
        size = int(str(value))
    except ValueError:
        raise InvalidValue(
            f"{quoted(value)} is not a tile size", "write auto, or pixels like 512"
        ) from None
    if not TILE_MIN_PX <= size <= TILE_MAX_PX or isinstance(value, bool):
        raise InvalidValue(
            f"a tile is {TILE_MIN_PX} to {TILE_MAX_PX} pixels wide",
            "write auto to let it be measured",
        )
    return size


def _device(value: object) -> str:
    word = value.strip().lower() if isinstance(value, str) else ""
    kind, colon, index = word.partition(":")
    if word in {"auto", "cpu", "cuda", "mps"} or (kind == "cuda" and index.isdecimal()):
        return word
    if kind in {"gpu", "nvidia"}:
        raise InvalidValue(f"{quoted(value)} is not a device", "did you mean 'cuda'?")
    known = did_you_mean(kind, ["auto", "cpu", "cuda", "mps"]) if kind and not colon else None
    raise InvalidValue(
        f"{quoted(value)} is not a device", known or "write auto, cpu, cuda, cuda:1 or mps"
    )


def _notifications(value: object) -> str:
    """`all`, `failures` or `none`."""
    words = {True: "all", "true": "all", False: "none", "false": "none", "failures": "failures"}
    word = value.strip().lower() if isinstance(value, str) else value
    if isinstance(word, bool | str) and word in words:
        return words[word]
    raise InvalidValue(f"{quoted(value)} says nothing here", "write true, false or failures")


def _precision(value: object) -> str:
    spelled = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
    word = spelled.get(value, value) if isinstance(value, str) else value
    return one_of("auto", "fp32", "fp16", "bf16")(word)


def _mount_demand(value: object) -> object:
    return value if isinstance(value, bool) else one_of("auto", also="true or false")(value)


Anything = Any
"""Accepted without a look inside."""
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
# The limits before the check: behind it they would be functions, unknown to the JSON schema.
Attempts = Annotated[int, Field(ge=1, le=100), BeforeValidator(not_bool)]
Quality = Annotated[int, Field(ge=1, le=100), BeforeValidator(not_bool)]
Priority = Annotated[int, Field(ge=-1000, le=1000), BeforeValidator(not_bool)]
Scale = Annotated[float, Field(ge=1, le=64), BeforeValidator(not_bool)]
WholeScale = Annotated[int, Field(ge=1, le=64), BeforeValidator(not_bool)]
EdgePx = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(not_bool)]
Megapixels = Annotated[float, Field(gt=0, le=1_000_000), BeforeValidator(not_bool)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
Repository = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]
Texts = Annotated[list[Text], BeforeValidator(listed, json_schema_input_type=Text | list[Text])]
Pattern = Annotated[str, PlainValidator(_pattern, json_schema_input_type=str)]
Patterns = Annotated[list[Pattern], BeforeValidator(listed, json_schema_input_type=str | list[str])]
Template = Annotated[str, PlainValidator(_template, json_schema_input_type=str)]
Command = Annotated[
    tuple[str, ...], PlainValidator(_command, json_schema_input_type=Text | list[str])
]
Duration = Annotated[float, PlainValidator(units.seconds, json_schema_input_type=str | float)]
KeepAlive = Annotated[float, PlainValidator(_keep_alive, json_schema_input_type=str | float)]
Memory = Annotated[
    tuple[int | None, float | None], PlainValidator(_memory, json_schema_input_type=str | int)
]
Device = Annotated[str, PlainValidator(_device, json_schema_input_type=str)]
Devices = Annotated[list[Device], BeforeValidator(listed, json_schema_input_type=str | list[str])]
_RANGE_SCHEMA = str | dict[Literal["min", "max"], int | float | str]
SizeRange = Annotated[
    Span,
    PlainValidator(_range_of(units.size_bytes, "5MB"), json_schema_input_type=_RANGE_SCHEMA),
]
NumberRange = Annotated[
    Span, PlainValidator(_range_of(_count, "4"), json_schema_input_type=_RANGE_SCHEMA)
]
Kinds = Annotated[
    list[Annotated[str, PlainValidator(_kind_of_file, json_schema_input_type=str)]],
    BeforeValidator(listed, json_schema_input_type=str | list[str]),
]
TileSize = Annotated[
    int | None, PlainValidator(_tile, json_schema_input_type=Literal["auto"] | int)
]
Effort = Annotated[
    str,
    PlainValidator(
        one_of("fast", "normal", "best"), json_schema_input_type=Literal["fast", "normal", "best"]
    ),
]
Chroma = Annotated[
    str,
    PlainValidator(
        one_of("4:4:4", "4:2:2", "4:2:0"),
        json_schema_input_type=Literal["4:4:4", "4:2:2", "4:2:0"],
    ),
]
MetadataWish = Annotated[
    str, PlainValidator(one_of("keep", "strip"), json_schema_input_type=Literal["keep", "strip"])
]
OnTooLarge = Annotated[
    str,
    PlainValidator(
        one_of("fail", "png", "downscale"),
        json_schema_input_type=Literal["fail", "png", "downscale"],
    ),
]
Sheet = Annotated[
    str,
    PlainValidator(one_of("png", "html"), json_schema_input_type=Literal["png", "html"]),
]
Collision = Annotated[
    str,
    PlainValidator(
        one_of("number", "replace", "fail"),
        json_schema_input_type=Literal["number", "replace", "fail"],
    ),
]
MountDemand = Annotated[
    bool | Literal["auto"],
    PlainValidator(_mount_demand, json_schema_input_type=bool | Literal["auto"]),
]
Provider = Annotated[
    str,
    PlainValidator(
        one_of("huggingface", "local", "named", "pypi"),
        json_schema_input_type=Literal["huggingface", "local", "named", "pypi"],
    ),
]
Notifications = Annotated[
    str,
    PlainValidator(_notifications, json_schema_input_type=bool | Literal["failures"]),
]
Precision = Annotated[
    str,
    PlainValidator(
        _precision,
        json_schema_input_type=Literal[
            "auto", "fp32", "fp16", "bf16", "float32", "float16", "bfloat16"
        ],
    ),
]
ImageFormat = Annotated[
    str,
    PlainValidator(
        _image_format,
        json_schema_input_type=_format_words(),
    ),
]
