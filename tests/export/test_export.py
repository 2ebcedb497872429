"""Files that answer as torch does, describe themselves and are refused when altered."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from ai_edge_litert import schema_py_generated as fb

from evit_nas.errors import CheckFailed, CheckpointError, InputError
from evit_nas.export.export import ExportResult, export_network
from evit_nas.graph.lowering import AUTHORS, Lowering, strip_schedule
from evit_nas.model.checkpoint import read_checkpoint, save_checkpoint, with_classes
from evit_nas.model.description import Description, Normalisation, parse
from evit_nas.model.efficientvit import build, randomise
from evit_nas.seal import check_seal
from evit_nas.space.arch import (
    ArchConfig,
    BlockConfig,
    MBConvConfig,
    MsaConfig,
    SegHead,
    StageConfig,
    StemConfig,
    named_arch,
)
from evit_nas.space.space import load_space
from evit_nas.tflite.runtime import delegate_partitions

TFLITE = ("tflite",)


def small_arch() -> ArchConfig:
    """Two attentions, one of them with two scales, in few channels: quick to convert."""
    two = BlockConfig(msa=MsaConfig(scales=(3, 5), heads_ratio=0.5))
    one = BlockConfig(mbconv=MBConvConfig(expand=2, kernel=5), msa=MsaConfig(scales=(5,)))
    return ArchConfig(
        stem=StemConfig(width=8),
        stages=(
            StageConfig(width=8),
            StageConfig(width=16, activation="relu6"),
            StageConfig(width=16, blocks=(two,)),
            StageConfig(width=32, blocks=(one,)),
        ),
        head=SegHead(classes=5, width=16),
        head_dim=8,
        upsample="bicubic",
    )


def tflite_entries(path: Path) -> dict[str, str]:
    model = fb.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    return {entry.name.decode(): bytes(model.buffers[entry.buffer].data).decode() for entry in model.metadata}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    out = tmp_path_factory.mktemp("exported") / "new"
    names = ("a", "b", "c", "d", "é")
    normalisation = Normalisation(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    return export_network(small_arch(), (64, 96), out, name="net", class_names=names, normalisation=normalisation)


def test_all_formats_answer_as_torch_does(exported: ExportResult) -> None:
    assert set(exported.files) == set(exported.parity) == {"tflite", "onnx", "pt"}
    assert all(parity.max_rel_error < 1e-5 for parity in exported.parity.values())
    folder = exported.files["pt"].parent
    assert {path.name for path in folder.iterdir()} == {"net.tflite", "net.onnx", "net.pt", "net.parity.json"}
    stored = json.loads((folder / "net.parity.json").read_text())
    assert stored["onnx"]["max_rel_error"] == exported.parity["onnx"].max_rel_error


def test_every_file_describes_itself(exported: ExportResult) -> None:
    model = onnx.load(exported.files["onnx"])
    found = [
        parse(tflite_entries(exported.files["tflite"]), "tflite"),
        parse({entry.key: entry.value for entry in model.metadata_props}, "onnx"),
        read_checkpoint(exported.files["pt"]).description,
    ]
    assert found == [exported.description] * 3
    assert exported.description.untrained
    assert exported.description.arch == small_arch()
    assert exported.description.resolution == (64, 96)


def test_the_onnx_file_is_whole(exported: ExportResult) -> None:
    model = onnx.load(exported.files["onnx"], load_external_data=False)
    onnx.checker.check_model(model)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert [port.name for port in (*model.graph.input, *model.graph.output)] == ["image", "logits"]


@pytest.mark.parametrize("wanted", ["tflite", "onnx"])
def test_altered_files_are_noticed(wanted: str, exported: ExportResult) -> None:
    content = bytearray(exported.files[wanted].read_bytes())
    assert check_seal(bytes(content), "file")
    content[len(content) // 2] ^= 1
    with pytest.raises(InputError, match="altered"):
        check_seal(bytes(content), "file")


def test_the_pt_file_loads_without_this_tool(exported: ExportResult) -> None:
    state = torch.load(exported.files["pt"], weights_only=True)["state_dict"]
    build(small_arch()).load_state_dict(state, strict=True)


@pytest.mark.parametrize("output", ["logits", "resized", "argmax"])
@pytest.mark.parametrize("upsample", ["bilinear", "bicubic"])
def test_outputs_and_upsamplings_in_one_partition(output: str, upsample: str, tmp_path: Path) -> None:
    arch = replace(named_arch("b0"), upsample=upsample)
    result = export_network(arch, (64, 128), tmp_path, formats=TFLITE, output=output)
    assert result.parity["tflite"].max_rel_error < 1e-5
    if output == "logits":
        assert delegate_partitions(result.files["tflite"]) == 1
    if output == "argmax":
        assert result.parity["tflite"].equal_share == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize("resolution", [(32, 64), (96, 64)], ids=["quadratic", "linear"])
@pytest.mark.parametrize("style", ["ours", "strips", "authors"])
def test_every_lowering_answers_as_torch_does(style: str, resolution: tuple[int, int], tmp_path: Path) -> None:
    arch = small_arch()
    strips = Lowering(schedule=strip_schedule(arch, resolution, strip_bytes=5e3, min_bytes=1e4))
    lowering = {"ours": Lowering(), "strips": strips, "authors": AUTHORS}[style]
    result = export_network(arch, resolution, tmp_path, formats=TFLITE, lowering=lowering)
    assert result.parity["tflite"].max_rel_error < 1e-5


@pytest.mark.parametrize("space", ["efficientvit-seg-small", "efficientvit-seg", "efficientvit-cls"])
def test_random_members_of_the_shipped_spaces_answer_as_torch_does(space: str, tmp_path: Path) -> None:
    for candidate in load_space(space).sample(seed=11, n=2):
        result = export_network(candidate.arch, (64, 96), tmp_path, formats=TFLITE)
        assert result.parity["tflite"].max_rel_error < 1e-5
        assert delegate_partitions(result.files["tflite"]) == 1


def test_a_classifier_is_exported_with_its_logits_alone(tmp_path: Path) -> None:
    result = export_network(named_arch("b0-cls"), (64, 64), tmp_path, formats=TFLITE)
    assert result.parity["tflite"].max_rel_error < 1e-5
    with pytest.raises(InputError, match=r"'argmax'.*valid: logits"):
        export_network(named_arch("b0-cls"), (64, 64), tmp_path, formats=TFLITE, output="argmax")


def test_given_weights_are_exported_and_not_called_untrained(tmp_path: Path) -> None:
    source = build(small_arch())
    randomise(source, seed=9)
    save_checkpoint(tmp_path / "w.safetensors", source, Description(arch=small_arch(), notes={"dataset": "scenes"}))
    weights = read_checkpoint(tmp_path / "w.safetensors")
    result = export_network(small_arch(), (64, 64), tmp_path, formats=("pt", "tflite"), weights=weights)
    again = read_checkpoint(result.files["pt"])
    assert torch.equal(again.state["head.input_ops.2.conv.weight"], source.state_dict()["head.input_ops.2.conv.weight"])
    assert not result.description.untrained
    assert result.description.notes == {"dataset": "scenes"}


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    source = build(with_classes(small_arch(), 6))
    randomise(source, seed=9)
    save_checkpoint(tmp_path / "w.pt", source, Description(arch=with_classes(small_arch(), 6)))
    with pytest.raises(CheckpointError, match=r"conv\.weight \[6, 64, 1, 1\] instead of \[5, 64, 1, 1\]"):
        export_network(small_arch(), (64, 64), tmp_path / "out", weights=read_checkpoint(tmp_path / "w.pt"))
    assert not (tmp_path / "out").exists()


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    files = [
        export_network(small_arch(), (64, 64), tmp_path / str(i), formats=TFLITE, seed=seed)
        .files["tflite"]
        .read_bytes()
        for i, seed in enumerate((1, 1, 2))
    ]
    assert files[0] == files[1] != files[2]


def test_an_error_above_the_tolerance_fails_with_everything_written(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"tflite .* above 1e-12; see .*net\.parity\.json"):
        export_network(small_arch(), (64, 64), tmp_path, name="net", formats=TFLITE, tolerance=1e-12)
    assert json.loads((tmp_path / "net.parity.json").read_text())["tflite"]["max_rel_error"] > 1e-12
    assert (tmp_path / "net.tflite").exists()


@pytest.mark.parametrize(
    ("resolution", "formats", "says"),
    [((60, 64), TFLITE, "nearest legal size 64x64"), ((64, 64), ("tflight",), "did you mean 'tflite'")],
)
def test_bad_input_writes_nothing(
    resolution: tuple[int, int], formats: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        export_network(small_arch(), resolution, tmp_path / "out", formats=formats)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        export_network(small_arch(), (64, 64), tmp_path / "file", formats=TFLITE)


def test_exporting_is_silent(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    export_network(small_arch(), (64, 64), tmp_path, formats=("onnx",), output="argmax")
    captured = capfd.readouterr()
    assert captured.out == ""


@pytest.mark.slow
def test_the_reference_conversion_answers_as_torch_does(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = export_network(small_arch(), (64, 96), tmp_path, formats=TFLITE, converter="litert-torch")
    assert result.parity["tflite"].max_rel_error < 1e-5
    assert check_seal(result.files["tflite"].read_bytes(), "file")
    assert parse(tflite_entries(result.files["tflite"]), "file") == result.description
    assert capfd.readouterr().out == ""
