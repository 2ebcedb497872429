"""Weights free of rights: a small network trained on scenes that the tool draws itself, a few minutes on one thread.

`python benchmarks/scene_weights.py --write` makes weights/scenes.safetensors, which ships; without the option the file
at hand is evaluated (and missing is an error). Prints its size, parameters and mIoU on 100 other scenes as JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from evit_nas.files import write_bytes
from evit_nas.graph.cost import arch_params
from evit_nas.space.arch import ArchConfig, BlockConfig, MsaConfig, SegHead, StageConfig, StemConfig
from evit_nas.workflows.candidates import resolve_arch
from evit_nas.workflows.evaluate import evaluate
from evit_nas.workflows.train import train

FILE = Path("weights/scenes.safetensors")
SIZE = (128, 192)
ATTENTION = BlockConfig(msa=MsaConfig())
NETWORK = ArchConfig(
    stem=StemConfig(width=8),
    stages=(
        StageConfig(width=8),
        StageConfig(width=16, blocks=(BlockConfig(),)),
        StageConfig(width=32, blocks=(ATTENTION,)),
        StageConfig(width=64, blocks=(ATTENTION,)),
    ),
    head=SegHead(classes=7, width=24),
    head_dim=16,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="train anew")
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.write:
        with tempfile.TemporaryDirectory() as folder:
            trained = train(NETWORK, dataset="scenes", epochs=arguments.epochs, resolution=SIZE, out=Path(folder))
            write_bytes(FILE, trained.checkpoint.read_bytes())
    scored = evaluate(FILE, dataset="scenes")
    figures = {
        "size_bytes": FILE.stat().st_size,
        "params": arch_params(resolve_arch(FILE).arch),
        "miou": round(scored.miou, 2),
        "per_class": scored.per_class,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
