"""Physical cost terms of kernels on phone cores: what a kernel's time is a non-negative sum of.

XNNPACK's float GEMM on Arm works on tiles of 6 rows by 8 columns, its depthwise kernels on 4 or 8 channels: work is
counted as done, with rows and columns rounded up. Weights count apart from maps (on small maps they are the traffic),
and bytes count again where their working set leaves a cache. A term belongs to a family of kernels; terms of one name
add up over the kernels of a block or network.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import ceil

from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.predictor.features import Axes, Facts, axes, facts, ramp
from evit_nas.latency.predictor.kinds import DEPTHWISE_KIND, MOVE_KINDS

ROW_TILE, COLUMN_TILE, CHANNEL_TILE = 6, 8, 4
CACHES_MIB = {"l2": (0.125, 0.5), "l3": (0.5, 2.0), "memory": (2.0, 8.0)}
Terms = Mapping[str, float]


@lru_cache(maxsize=1 << 17)
def kernel_terms(signature: KernelSignature) -> Terms:
    """Terms of one kernel, in millions (of multiply-accumulates, elements) or kernels. Names: `<family> <term>`.

    Raises MissingCostError for an operator that nothing knows.
    """
    kernel, fact = axes(signature), facts(signature)
    match kernel.family:
        case "CONV_2D 1x1":
            family, terms = "gemm", _gemm(kernel.get("pixels"), kernel.get("cin"), kernel.get("cout"))
        case "FULLY_CONNECTED":
            family, terms = kernel.family, _gemm(kernel.get("rows"), kernel.get("inner"), kernel.get("columns"))
        case "CONV_2D kxk" | "CONV_2D grouped":
            family, terms = kernel.family, _window(kernel)
        case "BATCH_MATMUL":
            family, terms = kernel.family, _batched(kernel)
        case _ if kernel.family == DEPTHWISE_KIND:
            family = f"depthwise {kernel.get('taps'):g} /{'2' if kernel.get('stride') > 2 else '1'}"
            terms = _depthwise(kernel, fact)
        case _:
            family, terms = _pass_family(signature, fact), {"elements": fact.elements / 1e6}
    terms |= {"kernels": 1.0} | _misses(fact)
    return {f"{family} {name}": value for name, value in terms.items() if value}


def _pass_family(signature: KernelSignature, fact: Facts) -> str:
    """Element-wise passes by kind, those that broadcast a vector apart; copies together."""
    if signature.kind in MOVE_KINDS:
        return "TRANSPOSE" if signature.kind == "TRANSPOSE" else "copy"
    activations = [t for t in signature.inputs if not t.constant]
    whole = [t for t in activations if t.size_bytes == fact.tensor_bytes[-1]]
    return f"{signature.kind} {len(whole)} of {len(signature.inputs)}"


def _gemm(rows: float, inner: float, columns: float) -> dict[str, float]:
    padded = ceil(columns / COLUMN_TILE) * COLUMN_TILE
    weights = inner * columns
    return {
        "tiled macs": ceil(rows / ROW_TILE) * ROW_TILE * inner * padded / 1e6,
        "macs": rows * inner * columns / 1e6,
        "input": rows * inner / 1e6,
        "output": rows * columns / 1e6,
        "tiles": ceil(rows / ROW_TILE) * ceil(columns / COLUMN_TILE) / 1e6,
        "weights": weights / 1e6,
        "weights l2": weights / 1e6 * ramp(4 * weights, *CACHES_MIB["l2"]),
        "weights l3": weights / 1e6 * ramp(4 * weights, *CACHES_MIB["l3"]),
        "reread": ceil(rows / ROW_TILE) * weights / 1e6 * ramp(4 * weights, *CACHES_MIB["l2"]),
    }


def _window(kernel: Axes) -> dict[str, float]:
    """Dense k x k and grouped convolutions: a GEMM over an indirection buffer."""
    rows, cout, taps = kernel.get("pixels"), kernel.get("cout"), kernel.get("taps")
    inner = taps * kernel.get("group_width", kernel.get("cin"))
    return _gemm(rows, inner, cout) | {"indirection": rows * taps / 1e6}


def _batched(kernel: Axes) -> dict[str, float]:
    batch, rows, inner, columns = (kernel.get(name) for name in ("batch", "rows", "inner", "columns"))
    padded = ceil(rows / ROW_TILE) * ROW_TILE * ceil(columns / COLUMN_TILE) * COLUMN_TILE
    return {
        "tiled macs": batch * padded * inner / 1e6,
        "input": batch * (rows * inner + inner * columns) / 1e6,
        "output": batch * rows * columns / 1e6,
        "products": batch,
    }


def _depthwise(kernel: Axes, fact: Facts) -> dict[str, float]:
    channels = ceil(kernel.get("cin") / CHANNEL_TILE) * CHANNEL_TILE
    return {
        "macs": kernel.get("pixels") * channels * kernel.get("taps") / 1e6,
        "input": fact.tensor_bytes[0] / 4e6,
        "pixels": kernel.get("pixels") / 1e6,
        "rows": kernel.get("pixels") ** 0.5 * channels / 1e6,
    }


def _misses(fact: Facts) -> dict[str, float]:
    total = sum(fact.tensor_bytes)
    return {f"bytes beyond {name}": total / 1e6 * ramp(total, low, high) for name, (low, high) in CACHES_MIB.items()}


def summed_terms(kernels: tuple[KernelSignature, ...]) -> dict[str, float]:
    """Terms summed over the kernels of a block or network."""
    total: dict[str, float] = {}
    for signature in kernels:
        for name, value in kernel_terms(signature).items():
            total[name] = total.get(name, 0.0) + value
    return total
