"""A fingerprint changes with the processor, its caches and the runtime, and with nothing else."""

from __future__ import annotations

import re

from evit_nas.latency.profiler.fingerprint import host_identity

CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC 7763
stepping\t: 1
cpu MHz\t\t: 2445.406
flags\t\t: fpu sse2 avx2

processor\t: 1
vendor_id\t: AuthenticAMD
"""
CACHES = {"L1 data": "32K", "L2 unified": "512K"}


def fingerprint(cpuinfo: str = CPUINFO, caches: dict[str, str] = CACHES, runtime: str = "abc") -> str:
    return host_identity(runtime, cpuinfo=cpuinfo, caches=caches).fingerprint


def test_form_and_description() -> None:
    identity = host_identity("abc", cpuinfo=CPUINFO, caches=CACHES)
    assert re.fullmatch(r"host-[0-9a-f]{12}", identity.fingerprint)
    assert identity.cpu_model == "AMD EPYC 7763"
    assert "L2 unified 512K" in identity.description


def test_clock_order_of_flags_and_number_of_processors_do_not_count() -> None:
    assert fingerprint(CPUINFO.replace("2445.406", "3100.000")) == fingerprint()
    assert fingerprint(CPUINFO.replace("fpu sse2 avx2", "avx2 fpu sse2")) == fingerprint()
    assert fingerprint(CPUINFO.split("\n\n")[0]) == fingerprint()


def test_processor_caches_and_runtime_count() -> None:
    others = [
        fingerprint(CPUINFO.replace("stepping\t: 1", "stepping\t: 2")),
        fingerprint(CPUINFO.replace("avx2", "avx512f")),
        fingerprint(caches={"L1 data": "32K", "L2 unified": "1024K"}),
        fingerprint(runtime="abd"),
    ]
    assert len({fingerprint(), *others}) == 5


def test_a_machine_without_cpuinfo_has_a_fingerprint_too() -> None:
    assert fingerprint(cpuinfo="", caches={}).startswith("host-")


def test_an_arm_machine_is_told_by_part_and_features() -> None:
    arm = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"
    assert fingerprint(arm) != fingerprint(arm.replace("0xd0c", "0xd40"))
