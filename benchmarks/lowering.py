"""The same weights by the reference conversion and by our lowering: how many times faster ours runs, at equal output.

The reference is the upstream order of operations, NCHW, converted by litert-torch with its defaults; ours is written
directly, plain and in row strips. One thread. Sessions are timed interleaved, in another random order every round; a
ratio is the median over rounds of reference / ours in that round, with 10 and 90 % of the rounds in brackets. The
converted files are kept under --cache, since a conversion takes half a minute.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evit_nas.export.networks import converted_tflite, direct_tflite
from evit_nas.graph.lowering import OURS, Lowering, strip_schedule
from evit_nas.latency.profiler.lock import machine_lock
from evit_nas.model.efficientvit import EfficientViT, build
from evit_nas.space.arch import Resolution, Upsample, named_arch
from evit_nas.tflite.runtime import Session

CASES: tuple[tuple[str, Resolution, Upsample, float], ...] = (  # network, input, upsampling, least ratio with strips
    ("b0", (512, 1024), "bicubic", 1.5),
    ("b1", (448, 896), "bicubic", 1.27),
    ("b0", (1024, 2048), "bicubic", 1.7),
    ("b0", (512, 1024), "bilinear", 1.1),
    ("b1", (448, 896), "bilinear", 1.1),
    ("b0", (1024, 2048), "bilinear", 1.1),
)
RUNS_A_ROUND = 3


def reference_file(network: EfficientViT, resolution: Resolution, name: str, cache: Path) -> Path:
    """The converted reference, made once."""
    path = cache / f"{name}-litert-torch-{version('litert-torch')}.tflite"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        beside.write_bytes(converted_tflite(network, resolution, "logits", {}))
        beside.rename(path)
    return path


def interleaved(sessions: dict[str, Session], rounds: int) -> dict[str, np.ndarray]:
    """Milliseconds by round: the median of a few runs of each session, in another random order every round."""
    order, dice = list(sessions), random.Random(0)
    times_ms: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(rounds):
        dice.shuffle(order)
        for name in order:
            times_ms[name].append(float(np.median(sessions[name].time_us(RUNS_A_ROUND, 1))) / 1e3)
    return {name: np.array(values) for name, values in times_ms.items()}


def compare(arch_name: str, resolution: Resolution, upsample: Upsample, rounds: int, cache: Path) -> dict[str, Any]:
    """Latencies, ratios over the reference and the largest relative difference of the outputs."""
    torch.manual_seed(0)
    network = build(named_arch(arch_name, upsample=upsample)).eval()
    name = f"{arch_name}-{resolution[0]}x{resolution[1]}-{upsample}"
    models: dict[str, bytes | Path] = {"reference": reference_file(network, resolution, name, cache)}
    strips = Lowering(schedule=strip_schedule(network.arch, resolution))
    for label, lowering in (("plain", OURS), ("strips", strips)):
        models[label] = direct_tflite(network, resolution, lowering, "logits", {})
    image = np.random.default_rng(0).standard_normal((1, 3, *resolution), np.float32)
    nhwc = np.ascontiguousarray(image.transpose(0, 2, 3, 1))
    sessions = {label: Session(model) for label, model in models.items()}
    outputs = {label: session.run([image if label == "reference" else nhwc])[0] for label, session in sessions.items()}
    expected = outputs["reference"].transpose(0, 2, 3, 1)
    times_ms = interleaved(sessions, rounds)
    for session in sessions.values():
        session.close()
    row: dict[str, Any] = {"network": name, "rounds": rounds, "reference_ms": float(np.median(times_ms["reference"]))}
    for label in ("plain", "strips"):
        ratios = times_ms["reference"] / times_ms[label]
        row[label] = {
            "ms": float(np.median(times_ms[label])),
            "ratio": float(np.median(ratios)),
            "low": float(np.quantile(ratios, 0.1)),
            "high": float(np.quantile(ratios, 0.9)),
            "max_rel_error": float(np.abs(outputs[label] - expected).max() / np.abs(expected).max()),
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "evit-nas-reference")
    parser.add_argument("--only", default="", help="cases whose name contains this, for example b0-512x1024-bicubic")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    arguments = parser.parse_args()
    rows = []
    for arch_name, resolution, upsample, least in CASES:
        name = f"{arch_name}-{resolution[0]}x{resolution[1]}-{upsample}"
        if arguments.only not in name:
            continue
        with machine_lock():
            row = compare(arch_name, resolution, upsample, arguments.rounds, arguments.cache)
        row["least"], row["met"] = least, row["strips"]["ratio"] >= least
        rows.append(row)
        print(f"{name}: reference {row['reference_ms']:.1f} ms", flush=True)
        for label in ("plain", "strips"):
            of = row[label]
            spread = f"[{of['low']:.2f}, {of['high']:.2f}]"
            print(f"  {label:6} {of['ms']:8.1f} ms  {of['ratio']:.2f} times faster {spread}  {of['max_rel_error']:.1e}")
        print(f"  at least {least}: {'met' if row['met'] else 'not met'}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
