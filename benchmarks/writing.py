"""How many one-kernel models the writer makes in a second on one core (target: 500 or more)."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel_model import kernel_model
from evit_nas.space.arch import named_arch
from evit_nas.tflite.writer import write


def main() -> None:
    """Write the model of every kernel of B0 and B1 at 512x1024, print the rate, write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    kernels = [kernel for name in ("b0", "b1") for kernel in fuse(emit(named_arch(name), (512, 1024))).kernels]
    signatures = list({kernel.signature.key: kernel.signature for kernel in kernels}.values())
    write(kernel_model(signatures[0]))
    start = time.perf_counter()
    size_bytes = sum(len(write(kernel_model(signature))) for signature in signatures)
    seconds = time.perf_counter() - start
    figures = {
        "models": len(signatures),
        "seconds": round(seconds, 3),
        "models_per_second": round(len(signatures) / seconds, 1),
        "mean_size_bytes": round(size_bytes / len(signatures)),
    }
    print(f"{figures['models']} kernel models in {seconds:.2f} s: {figures['models_per_second']} a second")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
