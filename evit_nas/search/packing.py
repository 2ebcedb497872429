"""Rows of a space as few Optuna parameters.

What a trial costs in Optuna grows with its number of parameters (default space, 140 free columns, on a busy core: 15 ms
as one parameter each, 2.9 ms packed), and breeding works on rows anyway. So the free columns of a part of the network
(`stem`, `stage3`, `head`) share one integer in mixed radix, or several where one would not be exact as a float.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evit_nas.space.space import SearchSpace

LARGEST = 2**50  # Optuna keeps integers as floats, which are exact up to 2^53

Row = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One Optuna parameter: the columns packed in it, least significant first, and their numbers of choices."""

    name: str
    columns: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(np.array(self.counts, dtype=object)))


@dataclass(frozen=True, slots=True)
class Packing:
    """All parameters of a space; columns with one choice are in none."""

    parameters: tuple[Parameter, ...]
    width: int

    def pack(self, row: Row) -> dict[str, Any]:
        """Parameters of a row (D,)."""
        return {parameter.name: _packed(parameter, row) for parameter in self.parameters}

    def unpack(self, params: dict[str, Any]) -> Row:
        """The row (D,) of parameters."""
        row = np.zeros(self.width, dtype=np.int32)
        for parameter in self.parameters:
            code = int(params[parameter.name])
            for column, count in zip(parameter.columns, parameter.counts, strict=True):
                code, row[column] = divmod(code, count)
        return row


def _packed(parameter: Parameter, row: Row) -> int:
    code = 0
    for column, count in zip(reversed(parameter.columns), reversed(parameter.counts), strict=True):
        code = code * count + int(row[column])
    return code


def packing_of(space: SearchSpace) -> Packing:
    """The parameters of `space`, in column order."""
    parts: dict[str, list[Parameter]] = {}
    for column, dimension in enumerate(space.dimensions):
        count = len(dimension.choices)
        if count == 1:
            continue
        part = dimension.name.partition(".")[0]
        grown = parts.setdefault(part, [])
        if grown and grown[-1].size * count <= LARGEST:
            last = grown.pop()
            grown.append(Parameter(last.name, (*last.columns, column), (*last.counts, count)))
        else:
            name = f"{part}.{len(grown) + 1}" if grown else part
            grown.append(Parameter(name, (column,), (count,)))
    return Packing(tuple(parameter for grown in parts.values() for parameter in grown), len(space.dimensions))
