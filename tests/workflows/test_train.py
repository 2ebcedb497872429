"""Two commands from a folder of one's own images to a trained network, and what is refused on the way."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evit_nas.errors import InputError
from evit_nas.model.checkpoint import read_checkpoint
from evit_nas.space.arch import ArchConfig, BlockConfig, MsaConfig, SegHead, StageConfig, StemConfig
from evit_nas.workflows.data import data_check
from evit_nas.workflows.evaluate import evaluate
from evit_nas.workflows.export import export
from evit_nas.workflows.progress import Silent
from evit_nas.workflows.train import train

RECIPE = """schema: evit-nas/recipe-1
resolution: 32x64
epochs: 2
batch: 4
norm_images: 4
evaluate_every: 1
"""
pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def arch() -> ArchConfig:
    """Made for another number of classes: the data set's counts."""
    attention = (BlockConfig(msa=MsaConfig()),)
    stages = (
        StageConfig(width=8),
        StageConfig(width=8),
        StageConfig(width=16, blocks=attention),
        StageConfig(width=16),
    )
    return ArchConfig(stem=StemConfig(width=8), stages=stages, head=SegHead(classes=19, width=8), head_dim=8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Bright above, dark below, with the border where the label has it."""
    folder = tmp_path / "own"
    for split, count in (("train", 8), ("val", 2)):
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(count):
            label = np.zeros((40, 70), np.uint8)
            label[10 + 2 * number :] = 1
            pixels = np.repeat((200 - 150 * label)[:, :, None], 3, axis=2).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / split / f"{number}.jpg")
            Image.fromarray(label).save(folder / "masks" / split / f"{number}.png")
    (folder / "classes.txt").write_text("above\nbelow\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return folder


def run(arch: ArchConfig, root: Path, **changes: object):
    options = {"dataset": "folders", "root": root, "recipe": root.parent / "recipe.yaml", "out": root.parent / "run"}
    return train(arch, **(options | changes))


def test_from_a_folder_to_a_trained_network(arch: ArchConfig, root: Path) -> None:
    assert data_check(dataset="folders", root=root).valid
    result = run(arch, root)
    assert set(result.per_class) == {"above", "below"}
    document = json.loads((root.parent / "run/result.json").read_text())
    assert document == result.to_json()
    lines = (root.parent / "run/history.csv").read_text().splitlines()
    assert lines[0] == "epoch,step,learning_rate,loss,seconds,miou"
    assert [line.split(",")[:2] for line in lines[1:]] == [["1", "2"], ["2", "4"]]
    assert (root.parent / "run/curves.png").is_file()
    again = evaluate(result.checkpoint, dataset="folders", root=root, out=root.parent / "figures")
    assert [path.name for path in again.files] == ["confusion.png", "confusion.svg"]
    assert (again.miou, again.split, again.images, again.resolution) == (result.miou, "val", 2, "32x64")
    assert sum(map(sum, again.confusion)) == 2 * 40 * 70


def test_a_training_is_not_overwritten_and_resumes_to_the_same(arch: ArchConfig, root: Path) -> None:
    first = run(arch, root)
    before = read_checkpoint(first.checkpoint)
    with pytest.raises(InputError, match="holds a training already; pass --resume"):
        run(arch, root)
    assert run(arch, root, resume=True).miou == first.miou
    after = read_checkpoint(first.checkpoint)
    assert after.description == before.description
    assert all(torch.equal(tensor, after.state[name]) for name, tensor in before.state.items())
    with pytest.raises(InputError, match=r"another training \(seed\)"):
        run(arch, root, resume=True, seed=1)


def test_a_training_starts_from_another_network(arch: ArchConfig, root: Path) -> None:
    """A wider one from the one that was trained; on a resume the same file is asked for."""
    init = run(arch, root).checkpoint
    notes: list[str] = []

    class Notes(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    wider = replace(arch, stages=(*arch.stages[:3], replace(arch.stages[3], width=24)))
    out = root.parent / "wider"
    first = run(wider, root, init=init, out=out, progress=Notes())
    assert notes[0].startswith(f"started from {init}: ")
    rows = list(csv.DictReader((out / "init.csv").open()))
    assert {row["taken"] for row in rows} == {"whole", "part"}
    assert ("head/inputs/stage4/conv/weight", "8x24x1x1", "8x16x1x1", "part") in [tuple(row.values()) for row in rows]
    assert run(wider, root, init=init, out=out, resume=True).miou == first.miou
    with pytest.raises(InputError, match=r"another training \(init\)"):
        run(wider, root, out=out, resume=True)
    with pytest.raises(InputError, match=r"--init .*absent: cannot be read \(No such file"):
        run(wider, root, init=root / "absent", out=root.parent / "none")


def test_what_cannot_be_trained(arch: ArchConfig, root: Path) -> None:
    with pytest.raises(InputError, match="multiples of 32"):
        run(arch, root, resolution=(30, 64))
    with pytest.raises(InputError, match=r"b0-cls: a cls network, data set folders is for seg; try b0\.\.b3"):
        run("b0-cls", root)
    with pytest.raises(InputError, match="training starts from an architecture"):
        run(run(arch, root, out=root.parent / "first", epochs=1).checkpoint, root)
    with pytest.raises(InputError, match="at least 1"):
        run(arch, root, epochs=0)
    (root / "masks/val/1.png").unlink()
    with pytest.raises(InputError, match=r"1\.jpg: no label for it"):
        run(arch, root)


def test_val_is_looked_at_before_and_an_epoch_is_not_lost_with_it(arch: ArchConfig, root: Path) -> None:
    """A label that is wrong stops the training at once; an image that cannot be read, when it is to be scored."""
    out, image = root.parent / "run", root / "images/val/1.jpg"
    sound = image.read_bytes()
    image.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1\.jpg: not an image"):
        run(arch, root)
    assert (out / "state.safetensors").is_file()
    image.write_bytes(sound)
    whole = run(arch, root, out=root.parent / "whole").checkpoint
    resumed = run(arch, root, resume=True).checkpoint
    states = [read_checkpoint(path).state for path in (whole, resumed)]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    for value, message in ((9, "label ids out of range: 9"), (255, "no pixel of val has a label")):
        for number in range(2):
            Image.fromarray(np.full((40, 70), value, np.uint8)).save(root / f"masks/val/{number}.png")
        with pytest.raises(InputError, match=message):
            run(arch, root, out=root.parent / f"label{value}")


def test_views_of_a_file_and_of_its_checkpoint_score_the_same(arch: ArchConfig, root: Path) -> None:
    checkpoint = run(arch, root, epochs=1).checkpoint
    file = export(checkpoint, formats=("tflite",), out=root.parent / "export").files["tflite"]
    options = {"dataset": "folders", "root": root, "scales": (1.0, 1.5), "flip": True, "sliding_window": True}
    assert evaluate(file, **options).miou == pytest.approx(evaluate(checkpoint, **options).miou, abs=0.05)
    with pytest.raises(InputError, match="takes 32x64 only; add --sliding-window"):
        evaluate(file, dataset="folders", root=root, scales=(0.5, 1.0))


def test_what_cannot_be_evaluated(arch: ArchConfig, root: Path) -> None:
    with pytest.raises(InputError, match="no weights to evaluate"):
        evaluate(arch, dataset="folders", root=root, resolution=(32, 64))
    checkpoint = run(arch, root, epochs=1).checkpoint
    with pytest.raises(InputError, match="the network has 2 classes and the data set scenes 7"):
        evaluate(checkpoint, dataset="scenes")
    with pytest.raises(InputError, match="no split 'test' with labels"):
        evaluate(checkpoint, dataset="folders", root=root, split="test")
