"""Parameters and multiply-accumulates of an architecture, and what a graph or a kernel costs by counting.

Architecture figures follow the official convention, whatever the lowering: BatchNorm's weight and bias count as
parameters (its statistics do not); MACs are those of convolutions, linear layers and attention matmuls with the row
of ones, batch 1; interpolation, activations, normalisation and additions are free. Attention always counts its linear
form, also where the quadratic one runs: the figure belongs to the architecture, as in the published tables.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

from evit_nas.graph.blocks import (
    Block,
    ClsOut,
    DSConv,
    FusedMBConv,
    HeadAdd,
    HeadInput,
    HeadOut,
    MBConv,
    Msa,
    StemConv,
    layout,
)
from evit_nas.graph.kernel import KernelSignature
from evit_nas.graph.opgraph import OpGraph
from evit_nas.space.arch import ArchConfig, Resolution

_ANY_RESOLUTION = (32, 32)  # parameters do not depend on it


def arch_params(arch: ArchConfig) -> int:
    """Learned parameters of the network (official convention)."""
    return sum(block_params(item.block) for item in layout(arch, _ANY_RESOLUTION))


def arch_macs(arch: ArchConfig, resolution: Resolution) -> int:
    """Multiply-accumulates of one image of `resolution` (official convention)."""
    return sum(block_macs(item.block) for item in layout(arch, resolution))


@lru_cache(maxsize=65536)
def block_params(block: Block) -> int:
    """Learned parameters of one block: weights, biases, BatchNorm's or LayerNorm's weight and bias."""
    match block:
        case StemConv(cout=c):
            return 9 * 3 * c + 2 * c
        case DSConv(channels=c):
            return 9 * c + 2 * c + c * c + 2 * c
        case MBConv():
            mid = block.cin * block.expand
            extra = mid if block.bias else 2 * mid
            return block.cin * mid + block.kernel**2 * mid + 2 * extra + mid * block.cout + 2 * block.cout
        case FusedMBConv(channels=c):
            mid = c * block.expand
            return block.kernel**2 * c * mid + 2 * mid + mid * c + 2 * c
        case Msa():
            return _msa_weights(block) + 2 * block.channels
        case HeadInput(channels=c):
            return block.cin * c + 2 * c
        case HeadAdd():
            return 0
        case HeadOut(channels=c):
            mid = c * (block.final_expand or 1)
            return (c * mid + 2 * mid if block.final_expand else 0) + mid * block.classes + block.classes
        case ClsOut(cin=c, widths=(w0, w1)):
            return c * w0 + 2 * w0 + w0 * w1 + 2 * w1 + w1 * block.classes + block.classes


@lru_cache(maxsize=65536)
def block_macs(block: Block) -> int:
    """Multiply-accumulates of one block."""
    match block:
        case StemConv(cout=c):
            return (block.height // 2) * (block.width // 2) * 9 * 3 * c
        case DSConv(channels=c):
            return block.height * block.width * (9 * c + c * c)
        case MBConv():
            mid = block.cin * block.expand
            pixels = block.height * block.width
            return pixels * block.cin * mid + pixels // block.stride**2 * mid * (block.kernel**2 + block.cout)
        case FusedMBConv(channels=c):
            return block.height * block.width * c * block.expand * (block.kernel**2 * c + c)
        case Msa():
            return block.height * block.width * (_msa_weights(block) + _msa_matmul_macs_per_pixel(block))
        case HeadInput(channels=c):
            return block.height * block.width * block.cin * c
        case HeadAdd():
            return 0
        case HeadOut(channels=c):
            mid = c * (block.final_expand or 1)
            return block.height * block.width * ((c * mid if block.final_expand else 0) + mid * block.classes)
        case ClsOut(cin=c, widths=(w0, w1)):
            return block.height * block.width * c * w0 + w0 * w1 + w1 * block.classes


def _msa_weights(block: Msa) -> int:
    """Weights of the attention's convolutions; each is used once per pixel."""
    width = block.heads * block.head_dim
    branches = sum(3 * width * (scale**2 + block.head_dim) for scale in block.scales)
    return block.channels * 3 * width + branches + width * (1 + len(block.scales)) * block.channels


def _msa_matmul_macs_per_pixel(block: Msa) -> int:
    """Two matmuls per head of every branch, (d + 1) x d with the row of ones (paper, equation 2)."""
    return block.heads * (1 + len(block.scales)) * (block.head_dim + 1) * block.head_dim * 2


def signature_macs(signature: KernelSignature) -> int:
    """MACs that a kernel runs: convolutions, fully connected and batched matmuls; every other kind has none."""
    output = prod(signature.outputs[0].shape) if signature.outputs else 0
    match signature.kind:
        case "CONV_2D" | "FULLY_CONNECTED":
            return output * prod(signature.inputs[1].shape[1:])
        case "DEPTHWISE_CONV_2D":
            return output * prod(signature.inputs[1].shape[1:3])
        case "TRANSPOSE_CONV":
            return prod(signature.inputs[2].shape) * prod(signature.inputs[1].shape[:3])
        case "BATCH_MATMUL":
            return output * signature.inputs[0].shape[-2 if signature.attr("adj_x", False) else -1]
        case _:
            return 0


def peak_activation_bytes(graph: OpGraph) -> int:
    """The most bytes of activations alive at once: inputs from the start, outputs to the end, others between uses.

    Every operator's inputs and outputs count together (no operator works in place), which is what an arena needs.
    """
    last = {name: index for index, op in enumerate(graph.ops) for name in op.inputs if name}
    last.update(dict.fromkeys(graph.outputs, len(graph.ops)))
    alive = sum(graph.tensors[name].size_bytes for name in graph.inputs)
    peak = alive
    for index, op in enumerate(graph.ops):
        alive += sum(graph.tensors[name].size_bytes for name in op.outputs)
        peak = max(peak, alive)
        ended = {n for n in op.inputs if n and last[n] == index} | {n for n in op.outputs if n not in last}
        alive -= sum(graph.tensors[name].size_bytes for name in ended if not graph.tensors[name].constant)
    return peak
