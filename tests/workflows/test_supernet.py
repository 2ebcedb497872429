from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from evit_nas.accuracy.estimator.members import read_lines
from evit_nas.accuracy.estimator.sources import open_source
from evit_nas.errors import InputError
from evit_nas.model.checkpoint import read_checkpoint
from evit_nas.space.space import shipped_spaces
from evit_nas.workflows.evaluate import evaluate
from evit_nas.workflows.supernet import supernet_evaluate, supernet_extract, supernet_train
from evit_nas.workflows.supernet_score import supernet_score
from evit_nas.workflows.training_results import SupernetScoreResult

RECIPE = """
schema: evit-nas/recipe-1
resolution: 32x64
epochs: 1
batch: 4
norm_images: 8
"""


def mini_space(path: Path) -> Path:
    """B0 and little beside it."""
    space = yaml.safe_load(shipped_spaces()["efficientvit-seg-small"])
    space |= {"name": "mini", "members": ["b0"], "resolution": ["32x32", "32x64"]}
    space["stem"]["width"] = 8
    for stage, width in zip(space["stages"], (16, 32, 64, 128), strict=True):
        stage |= {"width": width, "depth": 2, "expand": [2, 4], "kernel": [3, 5]}
    space["head"] |= {"width": [16, 32], "depth": [0, 1], "expand": 4, "kernel": 3}
    path.write_text(yaml.safe_dump(space))
    return path


def folders(root: Path) -> Path:
    """Eight and two images of noise, labelled by whether they are red."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (32, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "images" / split / f"{number}.png")
            Image.fromarray((pixels[..., 0] > 127).astype(np.uint8)).save(root / "masks" / split / f"{number}.png")
    (root / "classes.txt").write_text("other\nred\n")
    return root


def test_train_evaluate_and_extract(tmp_path: Path) -> None:
    recipe, space = tmp_path / "recipe.yaml", mini_space(tmp_path / "mini.yaml")
    root = folders(tmp_path / "noise")
    recipe.write_text(RECIPE)
    trained = supernet_train(space, dataset="folders", root=root, recipe=recipe, out=tmp_path / "run")
    assert trained.checkpoint.is_file()
    assert trained.history.read_text().count("\n") == 2
    assert 0 < trained.smallest_miou < 100
    inside = supernet_evaluate(trained.checkpoint, "b0", dataset="folders", root=root, recipe=recipe)
    out = tmp_path / "b0.safetensors"
    supernet_extract(trained.checkpoint, "b0", dataset="folders", root=root, recipe=recipe, out=out)
    alone = evaluate(out, dataset="folders", root=root)
    assert (alone.miou, alone.confusion) == (inside.miou, inside.confusion)
    description = read_checkpoint(out).description
    assert description is not None
    assert description.notes["statistics"] == "8 images of folders"
    check_scores(trained.checkpoint, root, recipe, inside.miou)
    with pytest.raises(InputError, match="holds a training already"):
        supernet_train(space, dataset="folders", root=root, recipe=recipe, out=tmp_path / "run")
    with pytest.raises(InputError, match=r"b1: not a member of mini: stem\.width is 16"):
        supernet_evaluate(trained.checkpoint, "b1", dataset="folders", root=root, recipe=recipe)


def check_scores(checkpoint: Path, root: Path, recipe: Path, miou: float) -> None:
    """Each member is scored once, as `evaluate` does, and the table is an accuracy source."""
    with pytest.raises(InputError, match="none of its members is scored yet; run `evit-nas supernet score"):
        open_source(checkpoint, "seg")

    def score(archs: tuple[str, ...] = (), sample: int | None = None) -> SupernetScoreResult:
        return supernet_score(checkpoint, archs, dataset="folders", root=root, sample=sample, recipe=recipe)

    first = score(archs=("b0",))
    assert (first.scored, first.members) == (1, 1)
    (line,) = read_lines(first.table)[1]
    assert line.value == pytest.approx(miou, abs=1e-3)
    second = score(sample=6)
    assert (second.scored, second.members) == (6, 7)
    assert score(sample=6).scored == 0
    assert "7 networks" in open_source(checkpoint, "seg").label
    with pytest.raises(InputError, match="give either it or ARCH"):
        score(archs=("b0",), sample=2)


def test_two_head_dims_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="use efficientvit-seg-d16 or efficientvit-seg-d32"):
        supernet_train("efficientvit-seg", dataset="scenes", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_classification_space_is_refused(tmp_path: Path) -> None:
    space = yaml.safe_load(shipped_spaces()["efficientvit-cls"])
    own = tmp_path / "cls.yaml"
    own.write_text(yaml.safe_dump(space | {"head_dim": 16, "members": ["b0-cls", "b1-cls"]}))
    with pytest.raises(InputError, match="its networks classify"):
        supernet_train(own, dataset="scenes", out=tmp_path / "run")
