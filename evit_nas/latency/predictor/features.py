"""The only extractor: from a kernel signature to the numbers that predictors read.

Five views of one signature: `Facts` (counts and sizes), `cost_columns` (the physical columns that a calibration sums
over whole networks), `axes` and `hull_axes` (what the coverage of a calibrated and of a measured table compares) and
`kernel_input` (what the regression of a kernel reads).
Tensors are NHWC; weights of CONV_2D are [out, kh, kw, in / groups], of DEPTHWISE_CONV_2D [1, kh, kw, channels].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import prod

import numpy as np

from evit_nas.errors import MissingCostError
from evit_nas.graph.cost import signature_macs
from evit_nas.graph.kernel import KernelSignature
from evit_nas.graph.opgraph import DTYPE_BYTES
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.kinds import (
    DENSE_KINDS,
    DEPTHWISE_KIND,
    ELEMENTWISE_KINDS,
    KNOWN_KINDS,
    PAD_KINDS,
    REDUCTION_KINDS,
    RESIZE_KINDS,
    TRANSCENDENTAL_KINDS,
)
from evit_nas.latency.predictor.recipes import RAMPS_MIB

MIB = 2.0**20
TILES = (8, 16, 32)  # output channels of XNNPACK's microkernels
VECTORS = (4, 16)  # channels that a device takes at once where nothing is multiplied
COST_COLUMNS = (
    "dense_gmac",
    "depthwise_gmac",
    "elementwise_g",  # output elements of element-wise, resize and reduction operators, in 1e9
    "transcendental_g",
    "pad_gb",
    *(f"traffic_gb {ramp}" for ramp in RAMPS_MIB),
    "kernels",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts of one kernel. `tensor_bytes`: of every activation that it reads or writes; `elements`: of its output
    (of its input where it reduces); `pad_bytes`: what a PAD that was fused into it would read and write."""

    kind: str
    macs: int
    tensor_bytes: tuple[int, ...]
    elements: int
    pad_bytes: tuple[int, ...] = ()


def check_kind(signature: KernelSignature) -> None:
    """Raise MissingCostError, naming the operator, where no predictor knows what such a kernel does."""
    if signature.kind not in KNOWN_KINDS:
        shape = "x".join(map(str, signature.inputs[0].shape)) if signature.inputs else "no input"
        raise MissingCostError(
            f"operator {signature.kind} ({shape}): no latency table and no regression covers it; "
            "measure it on the device (evit-nas profile) or leave it out of the network"
        )


def facts(signature: KernelSignature) -> Facts:
    """Counts of `signature`. Raises MissingCostError for an operator that nothing knows."""
    check_kind(signature)
    activations = [t for t in signature.inputs if not t.constant]
    counted = activations if signature.kind in REDUCTION_KINDS else signature.outputs
    return Facts(
        kind=signature.kind,
        macs=signature_macs(signature) if signature.kind in DENSE_KINDS | {DEPTHWISE_KIND} else 0,
        tensor_bytes=tuple(t.size_bytes for t in (*activations, *signature.outputs)),
        elements=sum(prod(t.shape) for t in counted),
        pad_bytes=_fused_pad_bytes(signature),
    )


def _fused_pad_bytes(signature: KernelSignature) -> tuple[int, ...]:
    pads = signature.attr("pads")
    if pads is None:
        return ()
    batch, height, width, channels = signature.inputs[0].shape
    padded = batch * (height + pads[0] + pads[1]) * (width + pads[2] + pads[3]) * channels
    return signature.inputs[0].size_bytes, padded * DTYPE_BYTES[signature.inputs[0].dtype]


def ramp(size_bytes: float, low_mib: float, high_mib: float) -> float:
    """Share of a tensor's bytes that leaves the cache: 0 below `low_mib`, 1 above `high_mib`, linear in log size."""
    if low_mib == 0:
        return 1.0
    return min(1.0, max(0.0, math.log(max(size_bytes, 1) / MIB / low_mib) / math.log(high_mib / low_mib)))


def cost_columns(fact: Facts) -> Floats:
    """The columns COST_COLUMNS of one kernel, shape (len(COST_COLUMNS),); additive over a network.

    A PAD counts as the pass that the exported graph has, also where today's runtime puts it into the convolution: the
    published times are of a runtime of 2023, and fit better so (leave-one-out 1.5 % against 2.0 %).
    """
    giga = fact.elements / 1e9
    moved = (*fact.pad_bytes, *fact.pad_bytes[1:], *fact.tensor_bytes[1 if fact.pad_bytes else 0 :])
    padding = sum(fact.tensor_bytes) if fact.kind in PAD_KINDS else sum(fact.pad_bytes)
    traffic = [sum(size * ramp(size, low, high) for size in moved) / 1e9 for low, high in RAMPS_MIB.values()]
    return np.array(
        [
            fact.macs / 1e9 if fact.kind in DENSE_KINDS else 0.0,
            fact.macs / 1e9 if fact.kind == DEPTHWISE_KIND else 0.0,
            giga if fact.kind in ELEMENTWISE_KINDS | RESIZE_KINDS | REDUCTION_KINDS else 0.0,
            giga if fact.kind in TRANSCENDENTAL_KINDS else 0.0,
            padding / 1e9,
            *traffic,
            1.0,
        ]
    )


@dataclass(frozen=True, slots=True)
class Axes:
    """What a kernel varies over: `family` and `variant` are compared as they are, `values` as ranges.

    `family` groups kernels that one regression serves; `variant` is what must have been seen before (kernel, stride,
    fused activation, permutation, which inputs are constant, data type); `values` are positive numbers by axis name.
    """

    family: str
    variant: str
    values: tuple[tuple[str, float], ...]

    def get(self, name: str, default: float = 1.0) -> float:
        return next((value for key, value in self.values if key == name), default)


def axes(signature: KernelSignature) -> Axes:
    """Family, variant and numeric axes of a kernel. Raises MissingCostError for an operator that nothing knows."""
    check_kind(signature)
    if signature.kind in ("CONV_2D", DEPTHWISE_KIND) and len(signature.inputs) > 1:
        family, values = _convolution(signature)
    elif signature.kind in ("BATCH_MATMUL", "FULLY_CONNECTED") and len(signature.inputs) > 1:
        family, values = _matmul(signature)
    else:
        family, values = signature.kind, _tensorwise(signature)
    return Axes(family, _variant(signature), tuple((name, float(value)) for name, value in values.items()))


def hull_axes(signature: KernelSignature) -> Axes:
    """What the hull of a measured table is made of: the axes and the MACs, so that a kernel that is large in every axis
    at once is outside of it until one as large was measured.

    A fused clamp is no variant here: XNNPACK's microkernels for x86 and Arm all clamp, with infinite limits where there
    is none.
    """
    kernel = axes(signature)
    macs = ("macs", float(max(signature_macs(signature), 1)))
    return Axes(kernel.family, _variant(signature, without="fused_activation"), (*kernel.values, macs))


def _convolution(signature: KernelSignature) -> tuple[str, dict[str, float]]:
    data, weights = signature.inputs[0].shape, signature.inputs[1].shape
    out = signature.outputs[0].shape
    taps = weights[1] * weights[2]
    values: dict[str, float] = {
        "pixels": prod(out[:-1]),
        "cin": data[-1],
        "cout": out[-1],
        "taps": taps,
        "stride": max(1.0, prod(data[1:3]) / prod(out[1:3])),
    }
    if signature.kind == DEPTHWISE_KIND:
        del values["cout"]
        return DEPTHWISE_KIND, values
    group_width = weights[3]
    if group_width != data[-1]:
        return "CONV_2D grouped", {**values, "group_width": group_width}
    return ("CONV_2D 1x1" if taps == 1 else "CONV_2D kxk"), values


def _matmul(signature: KernelSignature) -> tuple[str, dict[str, float]]:
    left, right, out = signature.inputs[0].shape, signature.inputs[1].shape, signature.outputs[0].shape
    columns = out[-1]
    rows = out[-2] if len(out) > 1 else 1
    inner = left[-2] if signature.attr("adj_x", False) else left[-1]
    if signature.kind == "FULLY_CONNECTED":
        return signature.kind, {"rows": prod(out[:-1]), "inner": right[-1], "columns": columns}
    return signature.kind, {"batch": prod(out[:-2]), "rows": rows, "inner": inner, "columns": columns}


def _tensorwise(signature: KernelSignature) -> dict[str, float]:
    read = sum(prod(t.shape) for t in signature.inputs if not t.constant)
    written = sum(prod(t.shape) for t in signature.outputs)
    last = signature.outputs[0].shape[-1:] if signature.outputs else ()
    return {"read": max(read, 1), "written": max(written, 1), "last": max(prod(last), 1)}


def _variant(signature: KernelSignature, *, without: str = "") -> str:
    """Discrete properties, for example `fused_activation=RELU kernel=3x3 stride_h=2 acc float32`."""
    kept = {"adj_x", "adj_y", "axis", "dilation_h", "fused_activation", "perm", "stride_h", "stride_w"} - {without}
    attrs = [f"{name}={value}" for name, value in signature.attrs if name in kept]
    if signature.kind in ("CONV_2D", DEPTHWISE_KIND) and len(signature.inputs) > 1:
        attrs.append("kernel={}x{}".format(*signature.inputs[1].shape[1:3]))
    constants = "".join("c" if t.constant else "a" for t in signature.inputs)
    return " ".join([*attrs, constants, signature.inputs[0].dtype if signature.inputs else "float32"])


@dataclass(frozen=True, slots=True)
class KernelInput:
    """What the regression of one kernel reads. Every number grows, or stays, when an axis grows.

    `sizes` are the numeric axes; `work` MACs, or elements where there are none; `tiled_work` the same with the output
    channels rounded up to each of TILES; `tiled_bytes` what is read and written with the last axis of each activation
    rounded up to each of VECTORS; `row_bytes` the input rows that one output row needs.
    """

    family: str
    sizes: tuple[float, ...]
    work: float
    tiled_work: tuple[float, ...]
    read_bytes: float
    written_bytes: float
    tiled_bytes: tuple[float, ...]
    weight_bytes: float
    row_bytes: float


def kernel_input(signature: KernelSignature) -> KernelInput:
    """Raises MissingCostError for an operator that nothing knows."""
    kernel, fact = axes(signature), facts(signature)
    values = dict(kernel.values)
    work = float(max(fact.macs, fact.elements))
    width = next((values[name] for name in ("cout", "columns", "cin") if name in values), None)
    written = float(sum(t.size_bytes for t in signature.outputs))
    taps = values.get("taps", 1.0)
    stride = " stride 2" if values.get("stride", 1.0) > 1 else ""
    return KernelInput(
        family=f"{kernel.family} {taps:g} taps{stride}" if taps > 1 else kernel.family,
        sizes=tuple(value for name, value in kernel.values if name not in ("taps", "stride", "last")),
        work=work,
        tiled_work=() if width is None else tuple(work / width * tile * math.ceil(width / tile) for tile in TILES),
        read_bytes=sum(fact.tensor_bytes) - written,
        written_bytes=written,
        tiled_bytes=tuple(_tiled_bytes(signature, tile) for tile in VECTORS),
        weight_bytes=float(signature.weight_bytes),
        row_bytes=_row_bytes(signature, values, written),
    )


def _tiled_bytes(signature: KernelSignature, tile: int) -> float:
    tensors = (*(t for t in signature.inputs if not t.constant), *signature.outputs)
    widths = ((t, t.shape[-1] if t.shape else 1) for t in tensors)
    return float(sum(t.size_bytes / max(width, 1) * tile * math.ceil(width / tile) for t, width in widths))


def _row_bytes(signature: KernelSignature, values: dict[str, float], written: float) -> float:
    if "taps" in values:
        _, _, width, channels = signature.inputs[0].shape
        return 4.0 * signature.inputs[1].shape[1] * width * channels
    if "inner" in values:
        return 4.0 * values["inner"] * values["columns"]
    return written
