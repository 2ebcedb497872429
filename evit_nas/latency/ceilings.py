"""What this machine can do at most: multiply-accumulates a second, and bytes a second from cache and from memory.

Measured with the runtime's own kernels: matrix products for the one (the best of several shapes: those whose weights
stay in a cache are faster than a larger square), copies for the other (a RESHAPE from the model's input to its output
is a copy). A copy reads and writes, both are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from evit_nas.graph.cost import signature_macs
from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.graph.kernel_model import kernel_model
from evit_nas.latency.profiler.lock import machine_lock
from evit_nas.tflite.runtime import Session
from evit_nas.tflite.writer import write

PRODUCTS = ((1024, 1024, 1024), (4096, 256, 256), (2048, 256, 512), (4096, 128, 512))  # rows, inputs, outputs
CACHE_BYTES = 128 * 1024  # read and written together they stay in any L2
MEMORY_BYTES = 96 * 2**20  # beyond any L3 share of one core
RUNS = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceilings:
    """Ceilings of a roofline; GB are 1e9 bytes."""

    gmac_per_s: float
    cache_gb_per_s: float
    memory_gb_per_s: float


def measure_ceilings(threads: int = 1) -> Ceilings:
    """The ceilings of this machine for `threads`; takes about two seconds, alone on the machine."""
    products = [_matrix_product(*sides) for sides in PRODUCTS]
    with machine_lock("timing"):
        return Ceilings(
            gmac_per_s=max(signature_macs(product) / 1e3 / _fastest_us(product, threads) for product in products),
            cache_gb_per_s=_copy_gb_per_s(CACHE_BYTES, threads, repeats=64),
            memory_gb_per_s=_copy_gb_per_s(MEMORY_BYTES, threads, repeats=1),
        )


def _copy_gb_per_s(size_bytes: int, threads: int, repeats: int) -> float:
    copy = _copy(size_bytes // 4)
    return 2 * size_bytes * repeats / 1e3 / _fastest_us(copy, threads, repeats)


def _fastest_us(signature: KernelSignature, threads: int, repeats: int = 1) -> float:
    """A ceiling is what is reached when nothing disturbs, so the fastest run and not the median."""
    with Session(write(kernel_model(signature, repeats)), threads=threads) as session:
        return float(session.time_us(RUNS, 3).min())


def _matrix_product(rows: int, inner: int, columns: int) -> KernelSignature:
    inputs = (TensorType((rows, inner)), TensorType((columns, inner), constant=True))
    return KernelSignature("FULLY_CONNECTED", inputs, (TensorType((rows, columns)),), (("fused_activation", "NONE"),))


def _copy(elements: int) -> KernelSignature:
    return KernelSignature("RESHAPE", (TensorType((1, elements)),), (TensorType((elements,)),))
