"""Which cores a word means on chips of two and of three clusters."""

from __future__ import annotations

import pytest

from evit_nas.errors import InputError
from evit_nas.latency.profiler.devices.phone_identity import PhoneIdentity, core_mask
from evit_nas.soc.registry import resolve, socs


def phone_with(chip: str) -> PhoneIdentity:
    soc = resolve(chip)
    return PhoneIdentity(
        serial="1234",
        model="Phone",
        build="maker/phone/1",
        android="14",
        soc=soc,
        soc_problem="",
        clusters=soc.clusters,
        offline=(),
        governor="walt",
        contradictions=(),
        emulated=False,
    )


@pytest.mark.parametrize(("chip", "role", "mask"), [("sm8450", "prime", 0x80), ("sdm845", "big", 0xF0)])
def test_one_thread_runs_on_the_fastest_cores(chip: str, role: str, mask: int) -> None:
    assert core_mask(phone_with(chip), None, 1) == core_mask(phone_with(chip), "prime", 1) == (role, mask)


def test_every_chip_of_the_registry_has_default_cores() -> None:
    for soc in socs():
        assert core_mask(phone_with(soc.id), None, 1)[1] == soc.prime.mask


def test_other_words_are_refused() -> None:
    with pytest.raises(InputError, match="valid: big, little"):
        core_mask(phone_with("sdm845"), "gold", 1)
