"""What the kernels of a measured phone say about kernels that the networks of a calibration do not vary.

Published networks of one family all have the same kernel size, expansion and activation: their times cannot tell a
depthwise kernel of 5 from one of 3, nor a small map from a large one. Blocks measured on another phone can. A dense
kernel counts here as the multiply-accumulates of a large matrix product that take as long on that phone, a depthwise
one as those of a depthwise kernel of 3 on a middling map: tiles rounded up, taps, strides and small maps are in it,
and the calibration scales both kinds. Traffic beyond the caches is left out, the calibration has columns for it. What
no block holds (dense k x k beyond the stem, grouped convolutions, attention's products, k = 7) counts by its own
multiply-accumulates; passes over elements, which blocks hardly tell from the kernel before them, by their elements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from pydantic import JsonValue

from evit_nas.errors import TableError
from evit_nas.graph.kernel import Kernel, KernelSignature
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.coverage import Ranges
from evit_nas.latency.predictor.features import COST_COLUMNS, axes, cost_columns, facts
from evit_nas.latency.predictor.kinds import DEPTHWISE_KIND
from evit_nas.latency.predictor.public_kernels import dense, depthwise
from evit_nas.latency.predictor.public_model import TermCosts, fit_terms
from evit_nas.latency.predictor.public_terms import kernel_terms
from evit_nas.latency.table.find import find_table, shipped_tables_dir
from evit_nas.latency.table.store import Table, load_table

PHONE = "sd888"  # Cortex-A78 or X1: of the public phones the nearest to Snapdragon 8 Gen 1
REFERENCES = {"dense_gmac": dense(32, 256, 256, 1), "depthwise_gmac": depthwise(32, 128, 3, 1)}
STEM_CHANNELS = 4


@dataclass(frozen=True)
class PhoneCosts:
    """Costs of kernel terms on the phone, and the ranges of the kernels that they were inferred from."""

    costs: TermCosts
    ranges: Ranges

    @staticmethod
    def of(table: Table) -> PhoneCosts:
        """From a table of inferred rows: its terms again."""
        signatures = [row.signature for row in table.rows]
        us = np.array([row.median_us for row in table.rows])
        costs = fit_terms([kernel_terms(signature) for signature in signatures], us)
        return PhoneCosts(costs, Ranges.of(axes(signature) for signature in signatures))

    def columns(self, signature: KernelSignature) -> Floats:
        """The cost columns of one kernel, compute as equivalent multiply-accumulates, shape (len(COST_COLUMNS),).

        Raises MissingCostError for an operator that nothing knows.
        """
        columns = cost_columns(facts(signature))
        name = self._counted_as(signature)
        if name is not None:
            columns[COST_COLUMNS.index(name)] = self._equivalent_us(signature) / self._us_per_gmac[name]
        return columns

    def summed_columns(self, kernels: tuple[Kernel, ...]) -> Floats:
        """`columns` summed over a network, shape (len(COST_COLUMNS),)."""
        return sum((self.columns(kernel.signature) for kernel in kernels), np.zeros(len(COST_COLUMNS)))

    def document(self) -> dict[str, JsonValue]:
        """Plain data for a table's JSON."""
        return {
            "us": {name: float(f"{value:.6g}") for name, value in self.costs.us.items()},
            "coarse": {name: float(f"{value:.6g}") for name, value in self.costs.coarse.items()},
            "ranges": self.ranges.document(),  # type: ignore[dict-item]
        }

    @staticmethod
    def parse(document: object, source: str) -> PhoneCosts:
        """The costs of `document`. Raises TableError where it is not such data."""
        try:
            us, coarse = (_numbers(document[name]) for name in ("us", "coarse"))  # type: ignore[index]
            ranges = Ranges.parse(document["ranges"], source)  # type: ignore[index]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise TableError(f"{source}: calibration.phone is damaged ({error}); calibrate again") from None
        return PhoneCosts(TermCosts(us, coarse), ranges)

    @cached_property
    def _us_per_gmac(self) -> Mapping[str, float]:
        return {name: self._in_cache_us(kernel) * 1e9 / facts(kernel).macs for name, kernel in REFERENCES.items()}

    def _equivalent_us(self, signature: KernelSignature) -> float:
        """Microseconds on the phone without traffic beyond its caches; for more taps, times what they add in all.

        The blocks do not tell the work of a depthwise kernel of 5 from its traffic, so only their sum is used.
        """
        if signature.kind != DEPTHWISE_KIND:
            return self._in_cache_us(signature)
        plain = _with_three_by_three(signature)
        return self._in_cache_us(plain) * self.costs.of(kernel_terms(signature)) / self.costs.of(kernel_terms(plain))

    def _in_cache_us(self, signature: KernelSignature) -> float:
        """Microseconds on the phone of a kernel whose tensors stay in the caches."""
        terms = kernel_terms(signature).items()
        return self.costs.of({name: value for name, value in terms if " bytes beyond " not in name})

    def _counted_as(self, signature: KernelSignature) -> str | None:
        """The column of a kernel that the phone's blocks hold; None for others."""
        kernel = axes(signature)
        stem = kernel.family == "CONV_2D kxk" and kernel.get("cin") <= STEM_CHANNELS
        if stem or kernel.family in ("CONV_2D 1x1", "FULLY_CONNECTED"):
            return "dense_gmac"
        if kernel.family != DEPTHWISE_KIND:
            return None
        known = all(name in self.costs.us for name in kernel_terms(signature) if name.endswith(" macs"))
        return "depthwise_gmac" if known else None


def shipped_phone_costs() -> PhoneCosts:
    """Of the table of PHONE that ships."""
    return PhoneCosts.of(load_table(find_table(PHONE, shipped_tables_dir())))


def _with_three_by_three(depthwise_kernel: KernelSignature) -> KernelSignature:
    data, weights, *others = depthwise_kernel.inputs
    square = replace(weights, shape=(1, 3, 3, weights.shape[3]))
    return replace(depthwise_kernel, inputs=(data, square, *others))


def _numbers(document: Mapping[str, JsonValue]) -> dict[str, float]:
    return {str(name): float(value) for name, value in document.items()}  # type: ignore[arg-type]
