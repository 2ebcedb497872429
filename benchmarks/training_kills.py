"""kill -9 at random moments in `train`: does the resumed training end as one that was never killed, bit for bit?

Each trial starts or resumes the command, waits until it trains, and kills its whole process group after a random time,
or at the moment in which the state is being written; at the end the training is run to its end. Compared by hash with
an uninterrupted run: weights, moving average, moments of the optimiser and history (without the clock) of the state,
the network that is written, and the batch that would come next, which is a function of seed and step (order, views and
colours: there is no other random state to keep). A small network on drawn scenes, one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from evit_nas.accuracy.data.augment import Augmentation
from evit_nas.accuracy.data.batches import Batches
from evit_nas.accuracy.data.catalogue import open_dataset
from evit_nas.accuracy.data.scenes import CLASSES, scenes
from evit_nas.model.checkpoint import content_digest
from evit_nas.model.formats import read_raw
from evit_nas.space.arch import ArchConfig, BlockConfig, MsaConfig, SegHead, StageConfig, StemConfig
from evit_nas.space.yaml_io import arch_to_yaml

RECIPE = """schema: evit-nas/recipe-1
resolution: 64x96
epochs: {epochs}
batch: 8
norm_images: 8
evaluate_every: 5
"""
IMAGES = {"train": 64, "val": 8}
STATE, NETWORK, HALF = "state.safetensors", "network.safetensors", ".state.safetensors.*"
AIMED = 0.3  # share of the kills that wait for the state to be written
BEGUN = ", steps"  # in the line that says that the training begins


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), arguments.epochs)
        print(json.dumps(kill_and_compare(Path(folder), arguments.kills, arguments.seed)))


def prepare(folder: Path, epochs: int) -> None:
    """A folder of drawn scenes, a recipe and a small network."""
    for split, count in IMAGES.items():
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True)
        for index in range(count):
            example = scenes().split(split).read(index)
            Image.fromarray(example.image.permute(1, 2, 0).numpy()).save(folder / "images" / split / f"{index}.png")
            Image.fromarray(example.label.numpy()).save(folder / "masks" / split / f"{index}.png")
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    (folder / "recipe.yaml").write_text(RECIPE.format(epochs=epochs))
    attention = (BlockConfig(msa=MsaConfig()),)
    stages = StageConfig(width=8), StageConfig(width=16), StageConfig(width=32, blocks=attention), StageConfig(width=32)
    arch = ArchConfig(stem=StemConfig(width=8), stages=stages, head=SegHead(classes=7, width=16), head_dim=16)
    (folder / "small.yaml").write_text(arch_to_yaml(arch))


def kill_and_compare(folder: Path, kills: int, seed: int) -> dict[str, object]:
    """Trainings one after the other, each killed until it ends by itself, until there were enough kills."""
    moments, whole = random.Random(seed), folder / "whole"
    length_s = run(folder, whole)
    expected, equal, done, in_write, lost = hashes(folder, whole), [], 0, 0, 0
    while done < kills:
        cut, seen = folder / f"cut{len(equal)}", 0
        while done < kills and not (cut / NETWORK).is_file():
            aimed = moments.random() < AIMED
            killed = kill(folder, cut, None if aimed else moments.uniform(0.0, length_s))
            done += killed
            in_write += killed and any(cut.glob(HALF))
            lost += step(cut) < seen
            seen = step(cut)
        run(folder, cut)
        equal.append(hashes(folder, cut) == expected)
    return {
        "kills": done,
        "of_these_while_the_state_was_written": in_write,
        "epochs_lost_from_disk": lost,
        "trainings": len(equal),
        "trainings_equal_to_the_uninterrupted_one": sum(equal),
        "training_s": round(length_s, 1),
        "hashes": {name: value[:12] for name, value in expected.items()},
    }


def begin(folder: Path, out: Path) -> subprocess.Popen[str]:
    """The command, from the moment on in which it trains (or has ended)."""
    options = ["--dataset", "folders", "--root", folder, "--recipe", folder / "recipe.yaml", "--out", out, "--resume"]
    command = [sys.executable, "-m", "evit_nas", "train", folder / "small.yaml", *options]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    while (line := process.stderr.readline()) and BEGUN not in line:
        pass
    return process


def run(folder: Path, out: Path) -> float:
    """To the end; seconds of training."""
    process, began = begin(folder, out), time.monotonic()
    _, told = process.communicate()
    if process.returncode:
        raise SystemExit(told)
    return time.monotonic() - began


def kill(folder: Path, out: Path, seconds: float | None) -> bool:
    """Kill the command after `seconds` of training, or when it next writes its state (None); False where it ended."""
    process, end = begin(folder, out), time.monotonic() + (seconds or 0.0)
    while process.poll() is None and not (time.monotonic() >= end if seconds is not None else any(out.glob(HALF))):
        time.sleep(0.0005)
    killed = process.poll() is None
    if killed:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return killed


def step(out: Path) -> int:
    """Steps of the state on disk; 0 where there is none. Raises CheckpointError where it cannot be read."""
    path = out / STATE
    return int(read_raw(path)[1]["step"]) if path.is_file() else 0


def hashes(folder: Path, out: Path) -> dict[str, str]:
    """By what is compared."""
    tensors, entries = read_raw(out / STATE)
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in json.loads(entries["history"])]
    found = {
        part: content_digest({name: t for name, t in tensors.items() if name.startswith(f"{part}/")}, {})
        for part in ("network", "average", "moments")
    }
    split = open_dataset("folders", folder).split("train")
    batch = Batches(split=split, size=(64, 96), batch=8, augmentation=Augmentation(), seed=0).at(int(entries["step"]))
    following = hashlib.sha256(batch.images.contiguous().numpy().tobytes() + batch.labels.numpy().tobytes())
    return found | {
        "history": hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
        "next_batch": following.hexdigest(),
        "result": content_digest(read_raw(out / NETWORK)[0], {}),
    }


if __name__ == "__main__":
    main()
