"""How a result is to be encoded: the part of a recipe that this part of the program reads."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    quality: int | None = None
    """1 to 100; None: the format's own default."""
    lossless: bool | None = None
    """For formats that can be either; None: as the source was, where that is known."""
    effort: str = "normal"
    """`fast`, `normal` or `best`: time against bytes, never against pixels."""
    chroma: str | None = None
    """`4:4:4`, `4:2:2` or `4:2:0`."""
    metadata: str = "keep"
    """`keep`, or `strip`: all but profile and resolution."""
