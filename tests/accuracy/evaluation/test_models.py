"""The same network as torch checkpoint, .tflite and ONNX file scores the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from evit_nas.accuracy.data.dataset import Dataset
from evit_nas.accuracy.data.scenes import CLASSES, SceneSplit
from evit_nas.accuracy.evaluation.models import file_model, torch_model
from evit_nas.accuracy.evaluation.protocol import evaluate
from evit_nas.errors import InputError
from evit_nas.export.export import export_network
from evit_nas.model.checkpoint import read_checkpoint
from evit_nas.model.description import Normalisation
from evit_nas.space.arch import ArchConfig, BlockConfig, MsaConfig, SegHead, StageConfig, StemConfig

SIZE = (64, 96)
DATASET = Dataset(name="scenes", classes=CLASSES, splits={"val": SceneSplit(seed=(0, 2), size=6)})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights; a normalisation of its own, so that forgetting it shows."""
    blocks = (BlockConfig(),), (BlockConfig(),), (BlockConfig(msa=MsaConfig()),), ()
    stages = tuple(StageConfig(width=16, blocks=block) for block in blocks)
    head = SegHead(classes=len(CLASSES), width=16)
    arch = ArchConfig(stem=StemConfig(width=8), stages=stages, head=head, head_dim=8)
    odd = Normalisation(mean=(0.3, 0.4, 0.5), std=(0.2, 0.3, 0.25))
    folder, found = tmp_path_factory.mktemp("files"), {}
    for output, formats in (("logits", ("pt", "tflite", "onnx")), ("argmax", ("tflite",))):
        result = export_network(
            arch, SIZE, folder, name=output, formats=formats, weights=None, output=output, normalisation=odd
        )
        found |= {f"{output}.{kind}": path for kind, path in result.files.items()}
    return found


@pytest.fixture(scope="module")
def expected(files: dict[str, Path]) -> float:
    checkpoint = read_checkpoint(files["logits.pt"])
    assert checkpoint.arch is not None
    return evaluate(torch_model(checkpoint.arch, checkpoint), DATASET, "val", SIZE).value


@pytest.mark.parametrize(("name", "tolerance"), [
    ("logits.tflite", 0.05), ("logits.onnx", 0.05), ("argmax.tflite", 2.0),
])  # fmt: skip
def test_a_model_file_scores_as_torch_does(files, expected: float, name: str, tolerance: float) -> None:
    """Class ids are taken at the input's size and cannot be resized as logits are: close, not equal."""
    model = file_model(files[name], len(CLASSES))
    try:
        assert model.fixed == SIZE
        assert model.normalisation.mean == (0.3, 0.4, 0.5)
        assert evaluate(model, DATASET, "val", SIZE).value == pytest.approx(expected, abs=tolerance)
    finally:
        model.close()


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_an_altered_file_is_refused(files, tmp_path: Path, kind: str) -> None:
    content = bytearray(files[f"logits.{kind}"].read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / f"altered.{kind}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="altered since it was exported"):
        file_model(path, len(CLASSES))


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_what_is_no_model_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"text.{kind}"
    path.write_text("no model at all")
    with pytest.raises(InputError, match=f"text.{kind}"):
        file_model(path, len(CLASSES))
    with pytest.raises(InputError, match="no such file"):
        file_model(tmp_path / f"absent.{kind}", len(CLASSES))
