import pytest

from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.predictor.features import facts
from evit_nas.latency.predictor.public_kernels import public_kernels
from evit_nas.latency.predictor.public_rows import PublicBlock

BLOCKS = (
    PublicBlock("firstconv", 224, 3, 16, stride=2, kernel=3),
    PublicBlock("conv", 56, 24, 24, 4, 1, 5, 1),
    PublicBlock("conv", 56, 24, 32, 1, 2, 3, 0),
    PublicBlock("transds", 7, 144, 184, 6, 2, 3),
    PublicBlock("transattn", 14, 96, 96, v_scale=4),
    PublicBlock("transffn", 14, 96, 96, 4),
    PublicBlock("mbpool", 4, 160, 1984, 6),
)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.family)
def test_every_kernel_is_one_that_the_extractor_knows_and_its_key_reads_back(block: PublicBlock) -> None:
    for signature in public_kernels(block):
        facts(signature)
        assert KernelSignature.parse(signature.key) == signature


def test_conv_has_the_multiply_accumulates_of_its_three_convolutions_and_its_residual() -> None:
    kernels = public_kernels(PublicBlock("conv", 56, 24, 24, 4, 1, 5, 0))
    pixels, mid = 56 * 56, 96
    assert sum(facts(k).macs for k in kernels) == pixels * (24 * mid + 25 * mid + mid * 24)
    assert [k.kind for k in kernels][-1] == "ADD"


def test_a_block_that_changes_channels_at_stride_two_has_a_pooled_shortcut() -> None:
    kinds = [k.kind for k in public_kernels(PublicBlock("conv", 56, 24, 32, 2, 2, 3, 0))]
    assert kinds[-3:] == ["AVERAGE_POOL_2D", "CONV_2D", "ADD"]
