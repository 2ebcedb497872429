"""What a set of kernels has seen: which kinds and variants, and over which range of every axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from evit_nas.errors import TableError
from evit_nas.latency.predictor.features import Axes

Range = tuple[float, float]
Ends = frozenset[tuple[str, str, bool]]  # family and variant, axis, whether it is the upper end
SLACK = 1.001  # relative; ranges survive being printed


@dataclass(frozen=True)
class Ranges:
    """By family and variant (one text), the least and the largest value of every axis."""

    seen: Mapping[str, Mapping[str, Range]]

    @staticmethod
    def of(kernels: Iterable[Axes]) -> Ranges:
        """The ranges that these kernels span."""
        seen: dict[str, dict[str, Range]] = {}
        for kernel in kernels:
            spans = seen.setdefault(_key(kernel), {})
            for name, value in kernel.values:
                low, high = spans.get(name, (value, value))
                spans[name] = (min(low, value), max(high, value))
        return Ranges(MappingProxyType(seen))

    def holds(self, kernel: Axes) -> bool:
        """True where a kernel of this family and variant was seen and every axis lies within its range."""
        spans = self.seen.get(_key(kernel))
        if spans is None:
            return False
        return all(
            name in spans and spans[name][0] / SLACK <= value <= spans[name][1] * SLACK for name, value in kernel.values
        )

    def ends_at(self, kernel: Axes) -> Ends:
        """The ends of these ranges that a kernel inside them lies at."""
        key = _key(kernel)
        spans = self.seen.get(key, {})
        low = {(key, name, False) for name, value in kernel.values if name in spans and value <= spans[name][0] * SLACK}
        high = {(key, name, True) for name, value in kernel.values if name in spans and value >= spans[name][1] / SLACK}
        return frozenset(low | high)

    def ends_beyond(self, other: Ranges) -> Ends:
        """The ends of these ranges that `other` does not reach."""
        beyond: set[tuple[str, str, bool]] = set()
        for key, spans in self.seen.items():
            others = other.seen.get(key, {})
            for name, (low, high) in spans.items():
                other_low, other_high = others.get(name, (math.inf, -math.inf))
                beyond |= {(key, name, False)} if other_low > low * SLACK else set()
                beyond |= {(key, name, True)} if other_high < high / SLACK else set()
        return frozenset(beyond)

    def document(self) -> dict[str, dict[str, list[float]]]:
        """Plain data for a table's JSON."""
        return {key: {name: list(span) for name, span in spans.items()} for key, spans in sorted(self.seen.items())}

    @staticmethod
    def parse(document: object, source: str) -> Ranges:
        """The ranges of `document`. Raises TableError where it is not such data."""
        try:
            items = document.items()  # type: ignore[attr-defined]
            seen = {
                str(key): {str(name): (float(low), float(high)) for name, (low, high) in spans.items()}
                for key, spans in items
            }
        except (AttributeError, TypeError, ValueError) as error:
            raise TableError(f"{source}: calibration.ranges is damaged ({error}); calibrate again") from None
        return Ranges(MappingProxyType(seen))


def _key(kernel: Axes) -> str:
    return f"{kernel.family} | {kernel.variant}"
