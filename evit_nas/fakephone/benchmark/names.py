"""What the runtime calls its kernels in a profile."""

from __future__ import annotations

from collections.abc import Sequence

from evit_nas.fakephone.benchmark.kernels import FusedKernel

_OPERATORS = {
    "CONV_2D": "Convolution (NHWC, F32) IGEMM",
    "DEPTHWISE_CONV_2D": "Convolution (NHWC, F32) DWConv",
    "TRANSPOSE_CONV": "Deconvolution (NHWC, F32) IGEMM",
    "FULLY_CONNECTED": "Fully Connected (NC, F32) GEMM",
    "BATCH_MATMUL": "Batch Matrix Multiply (NC, F32) GEMM",
    "RESHAPE": "Copy (NC, X32)",
    "COPY": "Copy (NC, X32)",
    "CONCATENATION": "Copy (NC, X32)",
    "SPLIT": "Copy (NC, X32)",
    "TRANSPOSE": "Transpose (ND, X32) Transpose",
    "SLICE": "Slice (ND, X32)",
    "STRIDED_SLICE": "Slice (ND, X32)",
    "PAD": "Constant Pad (ND, X32)",
    "RESIZE_BILINEAR": "Resize Bilinear (NHWC, F32)",
    "SOFTMAX": "Softmax (NC, F32)",
    "SUM": "Sum (ND) Mean",
    "MEAN": "Mean (ND) Mean",
    "MAX_POOL_2D": "Max Pooling (NHWC, F32)",
    "AVERAGE_POOL_2D": "Average Pooling (NHWC, F32)",
    "DEPTH_TO_SPACE": "Depth To Space (NHWC, X32)",
    "SPACE_TO_DEPTH": "Space To Depth (NHWC, X32)",
}
_BINARY = "Binary Elementwise (ND)"
_UNARY = "Unary Elementwise (NC)"


def event_names(kernels: Sequence[FusedKernel]) -> list[tuple[str, str]]:
    """Node type and name of each event; delegated ones are numbered inside their partition, so that names repeat."""
    names, counts = [], dict[int, int]()
    for kernel in kernels:
        if kernel.partition < 0:
            names.append((kernel.kind, f"[{', '.join(kernel.output_names)}]:{kernel.node}"))
            continue
        index = counts.get(kernel.partition, 0)
        counts[kernel.partition] = index + 1
        operator = _operator(kernel)
        names.append((operator, f"Delegate/{operator}:{index}"))
    return names


def _operator(kernel: FusedKernel) -> str:
    if kernel.kind == "CONV_2D" and kernel.weights[0][1:3] == (1, 1) and kernel.window_stride == 1:
        return _OPERATORS["FULLY_CONNECTED"]
    if kernel.kind in _OPERATORS:
        return _OPERATORS[kernel.kind]
    return _BINARY if len(kernel.inputs) + len(kernel.weights) > 1 else _UNARY
