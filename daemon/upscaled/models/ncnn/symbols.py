"""Expressions over symbols, for telling whether two computations are the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field

Expression = int


@dataclass
class Symbols:
    """Expressions, each stored once: the same expression always has the same number."""

    numbers: dict[tuple[object, ...], int] = field(default_factory=dict)
    sums: dict[int, dict[int, float]] = field(default_factory=dict)
    parts: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def of(self, *key: object) -> Expression:
        return self.numbers.setdefault(key, len(self.numbers))

    def leaky(self, slope: float, x: Expression) -> Expression:
        return self.of("leaky", round(slope, 6), x)

    def resize(self, kind: int, factor: float, x: Expression) -> Expression:
        return x if factor == 1 else self.of("resize", kind, factor, x)

    def shuffle(self, factor: int, x: Expression) -> Expression:
        return x if factor == 1 else self.of("shuffle", factor, x)

    def unshuffle(self, factor: int, x: Expression) -> Expression:
        return x if factor == 1 else self.of("unshuffle", factor, x)

    def concat(self, xs: Sequence[Expression]) -> Expression:
        flat = tuple(part for x in xs for part in self.parts.get(x, (x,)))
        if len(flat) == 1:
            return flat[0]
        number = self.of("concat", *flat)
        self.parts[number] = flat
        return number

    def total(self, terms: Sequence[tuple[Expression, float]]) -> Expression:
        """The sum of `terms` (expression, factor), with nested sums multiplied out."""
        flat: dict[int, float] = {}
        for x, factor in terms:
            for term, inner in self.sums.get(x, {x: 1.0}).items():
                flat[term] = flat.get(term, 0.0) + factor * inner
        # Both sides multiply in another order; 9 digits are what float32 text can carry.
        rounded = {term: float(f"{factor:.9g}") for term, factor in sorted(flat.items())}
        if len(rounded) == 1 and next(iter(rounded.values())) == 1.0:
            return next(iter(rounded))
        number = self.of("sum", *rounded.items())
        self.sums[number] = flat
        return number
