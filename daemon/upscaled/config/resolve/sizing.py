"""How large results are to be: of all the places where it may stand, the one that counts."""

from collections.abc import Iterable
from dataclasses import dataclass

from upscaled.config.findings import Findings
from upscaled.config.grammar.block import Sized
from upscaled.config.grammar.rule import Rule
from upscaled.config.tree import Location
from upscaled.recipe import Fit

_WAYS = (("scale",), ("width", "height"), ("long_edge",), ("short_edge",), ("megapixels",))


@dataclass(frozen=True, slots=True)
class Sizing:
    """A scale, or a size, or neither: what the model gives."""

    scale: float | None = None
    fit: Fit | None = None


def sizing(rule: Rule, at: Location, of_component: Sizing, findings: Findings) -> Sizing:
    """A rule's own words, else those of its component."""
    output = rule.output or Sized()
    if rule.scale is not None and (known := list(_written(output))):
        where = (*at, "output", known[0])
        findings.error(where, f"'scale' and '{known[0]}' both say how large", "keep one", key=True)
    if rule.scale is not None:
        return Sizing(scale=rule.scale)
    own = sized(output, (*at, "output"), findings)
    return of_component if own == Sizing() else own


def sized(block: Sized, at: Location, findings: Findings) -> Sizing:
    """What one block says; a contradiction goes into `findings`."""
    ways = [way for way in _WAYS if any(key in way for key in _written(block))]
    for way in ways[1:]:
        first, other = (next(key for key in _written(block) if key in w) for w in (ways[0], way))
        findings.error(
            (*at, other), f"'{first}' and '{other}' both say how large", "keep one", key=True
        )
    wants_a_size = bool(ways) and ways[0] != ("scale",)
    if block.only_if_smaller is not None and not wants_a_size:
        findings.error(
            (*at, "only_if_smaller"),
            "'only_if_smaller' needs a size to compare with",
            "add 'long_edge: 4000', or width, height, short_edge or megapixels",
            key=True,
        )
    if not wants_a_size:
        return Sizing(scale=block.scale)
    fit = Fit(
        width_px=block.width,
        height_px=block.height,
        long_edge_px=block.long_edge,
        short_edge_px=block.short_edge,
        megapixels=block.megapixels,
        only_if_smaller=bool(block.only_if_smaller),
    )
    return Sizing(fit=fit)


def _written(block: Sized) -> Iterable[str]:
    return (key for way in _WAYS for key in way if getattr(block, key) is not None)
