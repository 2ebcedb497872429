from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evit_nas.errors import InputError
from evit_nas.space.arch import (
    ACTIVATIONS,
    NAMED_ARCHS,
    UPSAMPLES,
    ArchConfig,
    BlockConfig,
    ClsHead,
    MBConvConfig,
    MsaConfig,
    SegHead,
    StageConfig,
    StemConfig,
    named_arch,
)
from evit_nas.space.yaml_io import arch_from_yaml, arch_to_yaml, read_arch

widths = st.integers(1, 128).map(lambda n: 8 * n)
activations = st.sampled_from(ACTIVATIONS)
mbconvs = st.builds(MBConvConfig, expand=st.integers(1, 8), kernel=st.sampled_from((3, 5, 7)))
scales = st.lists(st.sampled_from((3, 5, 7, 9)), unique=True, max_size=3).map(tuple)
msas = st.builds(MsaConfig, scales=scales, heads_ratio=st.floats(0.01, 8.0))
blocks = st.builds(BlockConfig, mbconv=mbconvs, msa=st.none() | msas)
stages = st.builds(
    StageConfig,
    width=widths,
    down=mbconvs,
    blocks=st.lists(blocks, max_size=4).map(tuple),
    activation=activations,
)
outputs = st.sampled_from(((8, (4, 3, 2)), (8, (4, 3)), (16, (4, 3))))
seg_heads = st.tuples(
    st.builds(
        SegHead,
        classes=st.integers(1, 150),
        width=widths,
        depth=st.integers(0, 4),
        block=st.sampled_from(("mbconv", "fmbconv")),
        expand=st.integers(1, 8),
        kernel=st.sampled_from((3, 5, 7)),
        final_expand=st.none() | st.integers(1, 8),
        activation=activations,
    ),
    outputs,
).map(lambda pair: dataclasses.replace(pair[0], stride=pair[1][0], inputs=pair[1][1]))
cls_heads = st.builds(ClsHead, classes=st.integers(1, 1000), widths=st.tuples(widths, widths), activation=activations)
archs = st.builds(
    ArchConfig,
    stem=st.builds(StemConfig, width=widths, depth=st.integers(0, 3), activation=activations),
    stages=st.tuples(stages, stages, stages, stages),
    head=seg_heads | cls_heads,
    head_dim=st.integers(1, 8).map(lambda n: 8 * n),
    upsample=st.sampled_from(UPSAMPLES),
    eps=st.floats(1e-30, 1e-2),
)
resolutions = st.none() | st.tuples(*[st.integers(1, 40).map(lambda n: 32 * n)] * 2)
B0 = arch_to_yaml(named_arch("b0"), (512, 1024))


@given(archs, resolutions)
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost(arch: ArchConfig, resolution: tuple[int, int] | None) -> None:
    assert arch_from_yaml(arch_to_yaml(arch, resolution), "x.yaml") == (arch, resolution)


@pytest.mark.parametrize("name", NAMED_ARCHS)
def test_named_archs(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(arch_to_yaml(named_arch(name)))
    assert read_arch(path) == (named_arch(name), None)


@pytest.mark.parametrize("name", ["b0", "b0-cls"])
def test_every_cut_of_a_written_file_is_an_error(name: str) -> None:
    text = arch_to_yaml(named_arch(name), (224, 224)).rstrip()
    for length in range(len(text)):
        with pytest.raises(InputError):
            arch_from_yaml(text[:length], "cut.yaml")


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_mutated_files_give_a_valid_config_or_an_input_error(data: st.DataObject) -> None:
    raw = bytearray(B0.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        end = data.draw(st.integers(at, min(len(raw), at + 20)))
        raw[at:end] = data.draw(st.binary(max_size=6) | st.sampled_from((b"[", b"{", b"&a ", b"*a", b"9" * 40, b"\n")))
    text = raw.decode("utf-8", errors="replace")
    message = ""
    try:
        arch, resolution = arch_from_yaml(text, "mutated.yaml")
    except InputError as error:
        message = str(error)
    else:
        assert arch_from_yaml(arch_to_yaml(arch, resolution), "again.yaml") == (arch, resolution)
    assert "\n" not in message


def test_omitted_keys_take_the_defaults_of_the_configs() -> None:
    text = """
        schema: evit-nas/arch-1
        head_dim: 16
        stem: {width: 8}
        stages:
        - {width: 16}
        - {width: 32, blocks: [{}]}
        - {width: 64, blocks: [{msa: true}, {msa: {}}, {msa: false}]}
        - {width: 128}
        head: {classes: 19, width: 32}
    """
    arch, resolution = arch_from_yaml(text, "short.yaml")
    attended, plain = BlockConfig(msa=MsaConfig()), BlockConfig()
    assert resolution is None
    assert arch == ArchConfig(
        stem=StemConfig(width=8),
        stages=(
            StageConfig(width=16),
            StageConfig(width=32, blocks=(plain,)),
            StageConfig(width=64, blocks=(attended, attended, plain)),
            StageConfig(width=128),
        ),
        head=SegHead(classes=19, width=32),
        head_dim=16,
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kernel: 3", "kernel: 4", r"f.yaml:11: stages\[0\].down.kernel: 4 is not one of 3, 5, 7"),
        ("kernel: 3", "kernl: 3", "unknown key; did you mean 'kernel'?"),
        ("width: 16", "width: 12", r"stages\[0\].width: 12 is not a multiple of 8"),
        ("width: 16", "width: '16'", "is not a multiple of 8"),
        ("width: 16", "width: true", "is not a multiple of 8"),
        ("expand: 4", "expand: 0", "0 is not an integer from 1 to 32"),
        ("scales: [5]", "scales: [4]", "4 is not an odd scale"),
        ("scales: [5]", "scales: [5, 5]", "given once"),
        ("scales: [5]", "scales: 5", "is not a list of scales"),
        ("heads_ratio: 1.0", "heads_ratio: 0", "is not a number above 0"),
        ("stride: 8", "stride: 16", r"stride 16 takes inputs \[4, 3\]"),
        ("inputs: [4, 3, 2]", "inputs: [3, 4]", "is not one of"),
        ("head_dim: 16", "head_dim: 12", "is not a multiple of 8"),
        ("eps: 1.0e-15", "eps: 0", "is not a number above 0"),
        ("task: seg", "task: det", "valid: cls, seg"),
        ("schema: evit-nas/arch-1", "schema: evit-nas/arch-2", "did you mean 'evit-nas/arch-1'"),
        ("schema: evit-nas/arch-1\n", "", "key 'schema' is missing"),
        ("512x1024", "512x1000", "nearest legal size 512x992"),
        ("512x1024", "0x0", "not HEIGHTxWIDTH"),
        ("- width: 16", "- width: 24\n- width: 16", "has 5 stages; a network has 4"),
    ],
)
def test_refusals(old: str, new: str, message: str) -> None:
    text = B0.replace(old, new, 1)
    assert text != B0
    with pytest.raises(InputError, match=message):
        arch_from_yaml(text, "f.yaml")


def test_too_many_blocks() -> None:
    block = "  - {expand: 4, kernel: 3}\n"
    with pytest.raises(InputError, match="66 blocks; at most 64"):
        arch_from_yaml(B0.replace(block, block * 66, 1), "f.yaml")
