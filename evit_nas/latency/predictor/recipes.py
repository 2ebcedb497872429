"""The recipes that a calibration may choose from, written down before the first fit.

A recipe says which few columns the summed operator features of a network are folded into. With 16 published rows a
recipe chosen after many looks flatters, however the fold is nested; so the list is fixed here, the choice is made
inside every fold (calibrate.py), and changing this file means a new error in the table's provenance.

Where the options come from:
- dense MACs (1x1, k x k, grouped, matmul, fully connected) share one column: apart, the fit puts 291 ms/GMAC on the
  stem, which is absurd outside;
- the published rows do not identify depthwise or element-wise cost (0-90 ms/GMAC, 0-31 ms/GB), and a search must not
  get k = 7 for nothing, so both enter the dense column with a fixed weight: 2.0 dense MACs for a depthwise one and 6
  for an element-wise element are the ratios on SD888 (Cortex-X1/A78; how a kernel of other size, stride or map differs
  from that is in the columns already, see phone_costs.py): non-negative least squares over the 1,431
  convolution blocks of nn-Meter's tables (MIT) gives 1.97 (k = 3), 2.13 (k = 5) and 6.1;
  1.0 and 0 are the plain alternatives;
- traffic is counted by tensor size on a log ramp (no ramp, 4 to 16 MiB, 8 to 32 MiB): below it a tensor stays in cache;
- the explicit PAD of the authors' exporter may have a column of its own;
- a fixed time per operator may be a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

Ramp = Literal["all", "4-16", "8-32"]
RAMPS_MIB: dict[Ramp, tuple[float, float]] = {"all": (0.0, 0.0), "4-16": (4.0, 16.0), "8-32": (8.0, 32.0)}

DEPTHWISE_WEIGHTS = (1.0, 2.0)
ELEMENTWISE_WEIGHTS = (0.0, 6.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Columns of a calibration: compute, ramped traffic and, by choice, PAD bytes and a time per operator."""

    ramp: Ramp
    depthwise_weight: float  # dense MACs that a depthwise MAC counts for
    elementwise_weight: float  # dense MACs that one element of an element-wise operator counts for
    pad_column: bool
    kernel_column: bool

    @property
    def name(self) -> str:
        """A short text that is the same for equal recipes, as in the provenance."""
        parts = [f"ramp {self.ramp}", f"dw {self.depthwise_weight:g}", f"elem {self.elementwise_weight:g}"]
        return ", ".join(parts + ["pad"] * self.pad_column + ["kernels"] * self.kernel_column)


RECIPES: tuple[Recipe, ...] = tuple(
    Recipe(ramp=ramp, depthwise_weight=dw, elementwise_weight=elem, pad_column=pad, kernel_column=kernels)
    for ramp, dw, elem, pad, kernels in product(
        RAMPS_MIB, DEPTHWISE_WEIGHTS, ELEMENTWISE_WEIGHTS, (True, False), (False, True)
    )
)
