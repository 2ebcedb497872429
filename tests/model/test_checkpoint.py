"""Weights files: what loads, what is refused and how it is said."""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from evit_nas.errors import CheckpointError, InputError
from evit_nas.model.checkpoint import (
    classes_of,
    fit_arch,
    load_weights,
    read_checkpoint,
    save_checkpoint,
    with_classes,
)
from evit_nas.model.description import Description, Normalisation
from evit_nas.model.efficientvit import EfficientViT, build, randomise
from evit_nas.space.arch import ArchConfig, BlockConfig, MsaConfig, SegHead, StageConfig, StemConfig, named_arch

MAGICS = (b"", b"PK\x03\x04", b"\x10" + bytes(7) + b"{", b"\x80\x02")


def small_arch() -> ArchConfig:
    """A whole network in few bytes, so that files can be mutated by the hundred."""
    plain = StageConfig(width=8)
    attending = StageConfig(width=8, blocks=(BlockConfig(msa=MsaConfig(scales=(3,))),))
    head = SegHead(classes=3, width=8, depth=0, final_expand=None)
    return ArchConfig(stem=StemConfig(width=8), stages=(plain, plain, plain, attending), head=head, head_dim=8)


def network(arch: ArchConfig, seed: int = 0) -> EfficientViT:
    module = build(arch)
    randomise(module, seed)
    return module


def described(arch: ArchConfig) -> Description:
    return Description(
        arch=arch,
        resolution=(64, 96),
        normalisation=Normalisation(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)),
        class_names=("road", "straße", "sky"),
        notes={"dataset": "scenes"},
    )


def same_tensors(module: EfficientViT, other: EfficientViT) -> bool:
    ours, theirs = module.state_dict(), other.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("form", ["bare", "state_dict", "safetensors"])
def test_official_layouts_load_into_the_network(form: str, tmp_path: Path) -> None:
    arch = named_arch("b0")
    source, path = network(arch), tmp_path / f"weights.{form}"
    state = source.state_dict()
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state if form == "bare" else {"state_dict": state, "epoch": 7}, path)
    checkpoint = read_checkpoint(path)
    target = build(arch)
    load_weights(target, checkpoint)
    assert same_tensors(source, target)
    assert checkpoint.arch is None


def test_training_counters_may_be_absent(tmp_path: Path) -> None:
    source = network(small_arch())
    state = {name: t for name, t in source.state_dict().items() if not name.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "w.pt")
    target = build(small_arch())
    load_weights(target, read_checkpoint(tmp_path / "w.pt"))
    assert same_tensors(source, target)


@pytest.mark.parametrize("name", ["own.safetensors", "own.pt"])
def test_own_checkpoints_describe_themselves(name: str, tmp_path: Path) -> None:
    arch = small_arch()
    source, path = network(arch), tmp_path / "new folder" / name
    save_checkpoint(path, source, described(arch))
    checkpoint = read_checkpoint(path)
    assert checkpoint.description == described(arch)
    assert (checkpoint.arch, checkpoint.resolution) == (arch, (64, 96))
    target = build(fit_arch(None, checkpoint))
    load_weights(target, checkpoint)
    assert same_tensors(source, target)
    assert [p.name for p in path.parent.iterdir()] == [name]


def test_the_pt_form_is_what_the_official_loader_reads(tmp_path: Path) -> None:
    source = network(small_arch())
    save_checkpoint(tmp_path / "w.pt", source, described(small_arch()))
    state = torch.load(tmp_path / "w.pt", weights_only=True)["state_dict"]
    build(small_arch()).load_state_dict(state, strict=True)


def test_the_default_form_has_no_pickle_in_it(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "w.safetensors", network(small_arch()), described(small_arch()))
    assert not zipfile.is_zipfile(tmp_path / "w.safetensors")


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    state = {name: t.half() if t.is_floating_point() else t for name, t in network(small_arch()).state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    tensors = read_checkpoint(tmp_path / "w.pt").state
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32, torch.int64}


def test_every_misfit_is_named_in_one_line(tmp_path: Path) -> None:
    state = network(small_arch()).state_dict()
    state.pop("backbone.stages.1.op_list.0.main.depth_conv.conv.weight")
    state["extra.weight"] = torch.zeros(1)
    state["head.input_ops.2.conv.weight"] = torch.zeros(8, 9, 1, 1)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(CheckpointError) as caught:
        load_weights(build(small_arch()), read_checkpoint(tmp_path / "w.pt"))
    text = str(caught.value)
    assert "1 missing: backbone.stages.1.op_list.0.main.depth_conv.conv.weight" in text
    assert "1 unexpected: extra.weight" in text
    assert "head.input_ops.2.conv.weight [8, 9, 1, 1] instead of [8, 8, 1, 1]" in text
    assert "\n" not in text
    assert "w.pt" in text


def test_another_network_is_refused_without_a_wall_of_text(tmp_path: Path) -> None:
    torch.save(network(named_arch("b0")).state_dict(), tmp_path / "b0.pt")
    with pytest.raises(CheckpointError, match=r"and \d+ more") as caught:
        load_weights(build(named_arch("b1")), read_checkpoint(tmp_path / "b0.pt"))
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("name", ["b0", "b1-ade20k", "b0-cls"])
def test_the_number_of_classes_comes_from_the_last_layer(name: str, tmp_path: Path) -> None:
    arch = with_classes(named_arch(name), 11)
    torch.save(network(arch).state_dict(), tmp_path / "w.pt")
    checkpoint = read_checkpoint(tmp_path / "w.pt")
    assert classes_of(checkpoint) == 11
    assert fit_arch(named_arch(name), checkpoint) == replace(arch, upsample="bicubic")
    assert fit_arch(named_arch(name), checkpoint, upsample="bilinear") == arch


def test_arch_and_checkpoint_must_agree_in_the_body(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "w.pt", network(small_arch()), described(small_arch()))
    checkpoint = read_checkpoint(tmp_path / "w.pt")
    assert fit_arch(with_classes(small_arch(), 99), checkpoint) == small_arch()
    assert fit_arch(small_arch(), checkpoint, upsample="bicubic") == replace(small_arch(), upsample="bicubic")
    with pytest.raises(CheckpointError, match="not the one asked for"):
        fit_arch(named_arch("b0"), checkpoint)


def test_official_files_need_a_named_architecture(tmp_path: Path) -> None:
    torch.save(network(small_arch()).state_dict(), tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="name its architecture"):
        fit_arch(None, read_checkpoint(tmp_path / "w.pt"))


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path(tmp_path / "ran").touch, ())

    stream = io.BytesIO()
    torch.save({"state_dict": Evil()}, stream)
    (tmp_path / "zip.pt").write_bytes(stream.getvalue())
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Evil()))
    for name in ("zip.pt", "raw.pt"):
        with pytest.raises(CheckpointError):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2, 3], "holds list"),
        ({"state_dict": {"a": 1}}, "'a' is a int"),
        ({}, "not tensors by name"),
        ({"a": torch.eye(2).to_sparse()}, "sparse"),
        ({"a": torch.zeros(1).expand(10**9)}, "more data than the file"),
        ({"a": torch.tensor([1.0, float("nan")])}, "not finite"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "complex"),
        ({3: torch.zeros(2)}, "'3'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_content_is_named(content: object, says: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match=says) as caught:
        read_checkpoint(tmp_path / "w.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["none.pt", "."])
def test_files_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_truncated_files_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    save_checkpoint(path, network(small_arch()), described(small_arch()))
    content = path.read_bytes()
    for kept in (0, 3, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:kept])
        with pytest.raises(CheckpointError):
            read_checkpoint(path)


def test_compressed_archives_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", b"0" * 1000)
    with pytest.raises(CheckpointError, match="compressed"):
        read_checkpoint(tmp_path / "w.pt")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("originals")
    for name in ("w.pt", "w.safetensors"):
        save_checkpoint(folder / name, network(small_arch()), described(small_arch()))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["w.pt", "w.safetensors"]),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3),
    front=st.booleans(),
)
def test_mutated_files_are_refused_or_unchanged(
    name: str, edits: list[tuple[float, int]], front: bool, originals: dict[str, bytes], tmp_path: Path
) -> None:
    """A changed byte is never read in silence: it is refused, or it lies where no tensor and no text does."""
    content = bytearray(originals[name])
    for place, flip in edits:
        content[int(place * (8000 if front else len(content)))] ^= flip
    path = tmp_path / name
    path.write_bytes(bytes(content))
    try:
        checkpoint = read_checkpoint(path)
    except CheckpointError:
        return
    assert checkpoint.description == described(small_arch())
    state = network(small_arch()).state_dict()
    assert all(np.array_equal(tensor, checkpoint.state[key]) for key, tensor in state.items())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=400), magic=st.sampled_from([b"", b"PK\x03\x04", b"\x10" + bytes(7) + b"{", b"\x80\x02"])
)
def test_arbitrary_bytes_are_refused(content: bytes, magic: bytes, tmp_path: Path) -> None:
    (tmp_path / "any").write_bytes(magic + content)
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "any")


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be made"):
        save_checkpoint(tmp_path / "file" / "w.pt", network(small_arch()), described(small_arch()))


def test_class_names_must_match_the_classes() -> None:
    with pytest.raises(InputError, match="3 class names for 19 classes"):
        replace(described(small_arch()), arch=named_arch("b0"))
