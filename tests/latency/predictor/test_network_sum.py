from pathlib import Path

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.latency.predictor.network_rows import (
    NetworkRows,
    float_columns,
    read_network_rows,
    read_shapes,
    threads_of,
)
from evit_nas.latency.predictor.network_sum import (
    GROUPS,
    SERIAL_GROUPS,
    SPEEDUP_POWER,
    USUAL_HALF_WIDTH,
    dense_share,
    fit_networks,
    group_of,
    group_sums,
)
from evit_nas.latency.predictor.public_kernels import Signatures, convolution, linear
from evit_nas.latency.predictor.public_model import TermCosts

COSTS = TermCosts({}, {"macs": 50.0, "elements": 300.0, "kernels": 1.0})
HEADER = "model,operation,input_hw,input_channels,output_hw,stride,kernel,filters,groups,flops_2xmac"


def network(side: int, width: int, blocks: int, kernel: int) -> Signatures:
    """A stem, then pairs of a pointwise and a dense k x k convolution, then a classifier."""
    pairs = [
        convolution(side, side, width, width, 1, 1),
        convolution(side + kernel - 1, side, width, width, kernel, 1),
    ]
    return (convolution(2 * side + 1, side, 3, width, 3, 2), *pairs * blocks, linear(1, width, 1000))


@pytest.fixture(scope="module")
def networks() -> NetworkRows:
    kernels = tuple(network(s, w, n, 3) for s in (14, 28, 56) for w in (16, 32, 64) for n in (1, 3))
    factors = np.array([prior * (1.2 if name == "dense kxk" else 0.8) for name, (prior, _) in GROUPS.items()])
    ms = group_sums(kernels, COSTS) @ factors
    return NetworkRows(tuple(map(str, range(len(kernels)))), kernels, ms)


def test_networks_left_out_are_predicted_from_ten(networks: NetworkRows) -> None:
    order = np.random.default_rng(0).permutation(len(networks))
    test = networks.take(order[10:])
    ms, low, high = fit_networks(COSTS, networks.take(order[:10])).predict(test.kernels)
    assert np.abs(ms / test.ms - 1).max() < 0.1
    assert (low < ms).all()
    assert (ms < high).all()


def test_one_network_is_enough_for_a_scale_and_a_usual_interval(networks: NetworkRows) -> None:
    ms, low, high = fit_networks(COSTS, networks.take(np.arange(1))).predict(networks.kernels)
    assert np.abs(ms / networks.ms - 1).max() < 0.3
    assert np.log(high / low) == pytest.approx(2 * USUAL_HALF_WIDTH)


def test_groups_and_dense_share() -> None:
    assert group_of(convolution(16, 14, 32, 32, 3, 1)) == "dense kxk"
    assert group_of(convolution(16, 14, 32, 32, 3, 1, groups=4)) == "grouped"
    assert group_of(convolution(16, 14, 32, 32, 3, 1, groups=32)) == "depthwise"
    assert dense_share((convolution(14, 14, 32, 32, 1, 1), linear(1, 32, 10))) == 0


def test_an_unknown_operation_and_a_network_without_operators_are_named(tmp_path: Path) -> None:
    shapes, times = tmp_path / "shapes.csv", tmp_path / "times.csv"
    shapes.write_text(f"{HEADER}\na,CONV_3D,8,3,8,1,3,16,1,1\n")
    with pytest.raises(InputError, match=r"shapes\.csv:2.*CONV_3D"):
        read_shapes(shapes)
    times.write_text("model,pixel4|1large|float|mean\nb,1000\n")
    with pytest.raises(InputError, match="no operators of 'b'"):
        read_network_rows(times, {}, "pixel4|1large|float")


def test_more_threads_make_all_but_the_serial_groups_faster(networks: NetworkRows) -> None:
    grouped = tuple((*kernels, convolution(16, 14, 64, 64, 3, 1, groups=8)) for kernels in networks.kernels)
    sums, names = group_sums(grouped, COSTS), list(GROUPS)
    factors = np.array([prior for prior, _ in GROUPS.values()])
    serial = np.array([name in SERIAL_GROUPS for name in names])
    rows = NetworkRows(networks.names, grouped, sums @ np.where(serial, factors, factors / 3**SPEEDUP_POWER))
    train, test = rows.take(np.arange(0, 18, 4)), rows.take(np.arange(1, 18, 4))
    right, wrong = (
        np.abs(fit_networks(COSTS, train, threads=threads).predict(test.kernels)[0] / test.ms - 1).mean()
        for threads in (3, 1)
    )
    assert right < 0.01
    assert right < wrong


def test_columns_of_cores_and_their_threads(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    names = (
        "pixel4|1large|float",
        "pixel4|1large1med|float",
        "pixel4|gpu|float",
        "pixel4|3med|quant",
        "s10|1med|float",
    )
    path.write_text(",".join(["model", *(f"{name}|mean" for name in names)]) + "\na,1,1,1,1,1\n")
    assert float_columns(path, ("pixel4",)) == ["pixel4|1large|float", "pixel4|1large1med|float"]
    assert [threads_of(name) for name in names] == [1, 2, 0, 3, 1]
