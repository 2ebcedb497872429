from __future__ import annotations

import numpy as np

from evit_nas.search.packing import LARGEST, packing_of
from evit_nas.space.space import SearchSpace


def test_rows_survive_packing(space: SearchSpace) -> None:
    packing = packing_of(space)
    for row in space.sample_rows(1, 200):
        assert np.array_equal(packing.unpack(packing.pack(row)), row)


def test_parameters_are_few_exact_and_cover_every_free_column_once(space: SearchSpace) -> None:
    packing = packing_of(space)
    columns = [column for parameter in packing.parameters for column in parameter.columns]
    assert sorted(columns) == [i for i, d in enumerate(space.dimensions) if len(d.choices) > 1]
    assert len(packing.parameters) < len(columns) / 3
    assert all(parameter.size <= LARGEST for parameter in packing.parameters)
    assert len({parameter.name for parameter in packing.parameters}) == len(packing.parameters)
