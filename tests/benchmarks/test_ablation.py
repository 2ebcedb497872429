from __future__ import annotations

import pytest

from evit_nas.graph.cost import arch_macs

SIZE = (128, 160)


def test_four_networks_of_equal_macs_that_differ_in_what_the_table_says() -> None:
    from ablation import TOLERANCE, variants

    found = variants(7, SIZE)
    full = arch_macs(found["ms1-ga1"], SIZE)
    for name, arch in found.items():
        assert arch_macs(arch, SIZE) == pytest.approx(full, rel=TOLERANCE)
        blocks = [block for stage in arch.stages[2:] for block in stage.blocks]
        assert all((block.msa is not None) == name.endswith("ga1") for block in blocks)
    assert all(block.msa.scales == () for stage in found["ms0-ga1"].stages[2:] for block in stage.blocks)
    assert all(block.mbconv.kernel == 5 for stage in found["ms1-ga0"].stages[2:] for block in stage.blocks)
    assert found["ms0-ga0"].stages[3].width > found["ms1-ga1"].stages[3].width
