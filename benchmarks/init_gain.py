"""What `train --init` is worth: a network of another shape, from the weights of a trained B0 against from scratch.

B0 is trained once; then a smaller and a larger network, as a search might find them, are trained for the same few
epochs from its weights (most important channels, per-head slices, prefix depth, centred kernels) and from scratch,
with the same seeds. Printed is the mIoU on val of each and the gain, with its mean over the seeds. `--dataset scenes`
(the default) needs no data; `--init FILE` takes another network in place of the B0 that is trained here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from evit_nas.space.arch import ArchConfig, BlockConfig, MBConvConfig, named_arch, parse_resolution
from evit_nas.workflows.train import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="scenes")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--resolution", type=parse_resolution, default=(64, 96))
    parser.add_argument("--init", type=Path)
    parser.add_argument("--init-epochs", type=int, default=6, help="of B0")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder that keeps the trainings; what is there goes on")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(compare(arguments, arguments.work or Path(folder)), indent=2))


def compare(arguments: argparse.Namespace, work: Path) -> dict[str, object]:
    """The gain by network; mIoU in percent."""
    b0 = arguments.init
    if b0 is None:
        b0 = trained(arguments, named_arch("b0"), work / "b0", epochs=arguments.init_epochs, seed=0)[0]
    figures: dict[str, object] = {"dataset": arguments.dataset, "epochs": arguments.epochs}
    for name, arch in (("smaller", smaller()), ("larger", larger())):
        rows = []
        for seed in range(arguments.seeds):
            miou = {}
            for start, init in (("scratch", None), ("init", b0)):
                out = work / f"{name}-{start}-{seed}"
                miou[start] = trained(arguments, arch, out, epochs=arguments.epochs, seed=seed, init=init)[1]
            rows.append(miou | {"gain": miou["init"] - miou["scratch"]})
        figures[name] = {
            "by_seed": [{key: round(value, 2) for key, value in row.items()} for row in rows],
            "mean_gain": round(statistics.mean(row["gain"] for row in rows), 2),
        }
    return figures


def trained(
    arguments: argparse.Namespace, arch: ArchConfig, out: Path, *, epochs: int, seed: int, init: Path | None = None
) -> tuple[Path, float]:
    """The checkpoint and its mIoU on val."""
    result = train(
        arch,
        dataset=arguments.dataset,
        root=arguments.root,
        epochs=epochs,
        resolution=arguments.resolution,
        init=init,
        out=out,
        resume=True,
        seed=seed,
        threads=arguments.threads,
    )
    return result.checkpoint, result.miou


def smaller() -> ArchConfig:
    """B0 at three quarters of its width behind the stem and with expand 3."""
    return resized(named_arch("b0"), (8, 16, 24, 48, 96), MBConvConfig(expand=3), extra=0)


def larger() -> ArchConfig:
    """B0 a quarter wider, with kernel 5 and one block more in stages 3 and 4."""
    return resized(named_arch("b0"), (16, 24, 40, 80, 160), MBConvConfig(kernel=5), extra=1)


def resized(arch: ArchConfig, widths: tuple[int, ...], mbconv: MBConvConfig, *, extra: int) -> ArchConfig:
    """`arch` with other widths (stem, stages), every MBConv as given, `extra` blocks in stages 3 and 4."""
    stages = []
    for number, stage in enumerate(arch.stages, start=1):
        blocks: tuple[BlockConfig, ...] = tuple(replace(block, mbconv=mbconv) for block in stage.blocks)
        more = blocks[-1:] * extra if number >= 3 else ()
        stages.append(replace(stage, width=widths[number], down=mbconv, blocks=blocks + more))
    first, second, third, fourth = stages
    return replace(arch, stem=replace(arch.stem, width=widths[0]), stages=(first, second, third, fourth), eps=1e-6)


if __name__ == "__main__":
    main()
