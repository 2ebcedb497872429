"""What a line of measured networks says beside its scores: network, recipe, course, code and machine."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
from importlib import metadata
from pathlib import Path

from evit_nas.latency.profiler.fingerprint import host_identity
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.space.yaml_io import arch_to_yaml

_DIGITS = 12


def arch_hash(arch: ArchConfig) -> str:
    """Twelve hex digits of the architecture as YAML: equal networks, equal digits, whatever their file is called."""
    return _digest(arch_to_yaml(arch))


def recipe_name(recipe: str | Path, epochs: int, resolution: Resolution) -> str:
    """Name and hash of everything in the recipe: lines that share it were trained under the same conditions."""
    from evit_nas.accuracy.training.recipe import load_recipe

    loaded = load_recipe(recipe, epochs=epochs, resolution=resolution)
    return f"{Path(recipe).stem} {_digest(json.dumps(loaded.facts(), sort_keys=True))}"


def course(history: Path) -> tuple[float, str]:
    """Hours of a training by the clock, and its scores after earlier epochs, `3:31.20 6:40.05`."""
    with history.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    hours = sum(float(row["seconds"]) for row in rows) / 3600
    return hours, " ".join(f"{row['epoch']}:{float(row['miou']):.2f}" for row in rows if row["miou"])


def code_version() -> str:
    """The commit of the checkout that this package runs from, else the package's version."""
    folder = Path(__file__).parent
    try:
        command = ["git", "rev-parse", f"--short={_DIGITS}", "HEAD"]
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return metadata.version("evit-nas")
    return found.stdout.strip() if found.returncode == 0 else metadata.version("evit-nas")


def machine_name(threads: int) -> str:
    """Processor and threads, or the accelerator, and torch's version."""
    from evit_nas.accuracy.training.machine import device_name, prepare

    device = device_name(prepare(0, threads))
    if device == "cpu":
        device = f"{host_identity('').cpu_model}, threads {threads}"
    return f"{device}, torch {metadata.version('torch')}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
