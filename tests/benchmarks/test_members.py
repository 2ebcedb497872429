from __future__ import annotations

import numpy as np


def test_the_fraction_beats_random_ones_and_keeps_to_its_counts() -> None:
    from members import RIDGE, d_optimal

    rng = np.random.default_rng(0)
    matrix = np.concatenate([np.ones((300, 1)), rng.normal(size=(300, 8))], axis=1)
    owner = np.repeat([0, 1, 2], 100)

    def information(places) -> float:
        rows = matrix[places]
        return float(np.linalg.slogdet(rows.T @ rows + RIDGE * np.eye(9))[1])

    chosen = d_optimal(matrix, owner, [8, 4, 4])
    assert len(set(chosen)) == 16
    assert np.bincount(owner[chosen]).tolist() == [8, 4, 4]
    pairs = [(0, 8), (1, 4), (2, 4)]
    drawn = [
        np.concatenate([rng.choice(np.flatnonzero(owner == k), count, replace=False) for k, count in pairs])
        for _ in range(50)
    ]
    assert information(chosen) > max(map(information, drawn)) + 1


def test_columns_tell_ordered_choices_by_place_and_others_by_share() -> None:
    from members import kind_of, model_matrix

    from evit_nas.space.space import load_space

    space = load_space("efficientvit-seg-small")
    rows = space.sample_rows(0, 200)
    matrix = model_matrix(space, rows)
    assert np.isfinite(matrix).all()
    assert matrix.shape[1] < len(space.dimensions)  # blocks of a stage share a column
    assert kind_of("stage3.block2.kernel") == kind_of("stage3.down.kernel") == "stage3.kernel"
