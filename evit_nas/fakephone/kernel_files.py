"""/proc and /sys as the shell user of the fake phone sees them, made afresh at every look."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evit_nas.fakephone.phone import Phone
    from evit_nas.fakephone.process import Process

_CPU = "/sys/devices/system/cpu"
_BASE_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
_FEATURES = {
    "fp16": "fphp asimdhp",
    "dotprod": "asimddp",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve2": "sve sve2",
    "sme": "sme",
}
_MIN_KHZ = 300000
_MEMORY_KB = 7_800_000


def kernel_files(phone: Phone, pid: int) -> dict[str, str | None]:
    """Every readable path with its content; None where the shell user is denied."""
    files: dict[str, str | None] = {
        "/proc/cpuinfo": _cpuinfo(phone),
        "/proc/uptime": f"{phone.clock.now_s():.2f} {phone.clock.now_s() * 6:.2f}\n",
        "/proc/loadavg": "4.20 3.90 3.10 2/2210 9999\n" if phone.crowded() else "0.12 0.20 0.18 1/2210 9999\n",
        "/proc/meminfo": f"MemTotal:       {_MEMORY_KB} kB\nMemFree:        2100000 kB\nMemAvailable:   4900000 kB\n",
        "/proc/version": "Linux version 5.10.149-android12-9 (evit-nas fake phone)\n",
    }
    files.update(_cpu_files(phone))
    files.update(_thermal_files(phone))
    for process in phone.running():
        files.update(_process_files(process, f"/proc/{process.pid}"))
        if process.pid == pid:
            files.update(_process_files(process, "/proc/self"))
    return files


def _cpuinfo(phone: Phone) -> str:
    features = " ".join([_BASE_FEATURES, *(_FEATURES[name] for name in phone.soc.isa), "atomics cpuid lrcpc dcpop"])
    blocks = []
    for core in phone.online_cores():
        implementer, _, part = phone.cluster_of(core).part.partition(":")
        blocks.append(
            f"processor\t: {core}\nBogoMIPS\t: 38.40\nFeatures\t: {features}\nCPU implementer\t: 0x{implementer}\n"
            f"CPU architecture: 8\nCPU variant\t: 0x2\nCPU part\t: 0x{part}\nCPU revision\t: 0\n\n"
        )
    return "".join(blocks) + f"Hardware\t: Qualcomm Technologies, Inc {phone.soc.model}\n"


def _cpu_files(phone: Phone) -> dict[str, str | None]:
    online = phone.online_cores()
    last = len([core for cluster in phone.soc.clusters for core in cluster.cores]) - 1
    files: dict[str, str | None] = {
        f"{_CPU}/online": _ranges(online),
        f"{_CPU}/possible": f"0-{last}\n",
        f"{_CPU}/present": f"0-{last}\n",
        f"{_CPU}/offline": _ranges([core for core in range(last + 1) if core not in online]),
    }
    for cluster in phone.soc.clusters:
        for core in cluster.cores:
            files[f"{_CPU}/cpu{core}/online"] = f"{int(core in online)}\n"
            files[f"{_CPU}/cpu{core}/cpu_capacity"] = f"{round(1024 * phone.core_speed(core))}\n"
            if core not in online:  # the kernel takes the folder away with the core
                continue
            limit_khz = phone.limit_khz(core)
            folder = f"{_CPU}/cpu{core}/cpufreq"
            for name, value in (
                ("cpuinfo_max_freq", cluster.peak_khz),
                ("cpuinfo_min_freq", _MIN_KHZ),
                ("scaling_max_freq", limit_khz),
                ("scaling_min_freq", _MIN_KHZ),
                ("scaling_cur_freq", limit_khz),
                ("scaling_governor", "walt"),
                ("scaling_available_governors", "walt performance powersave schedutil"),
                ("related_cpus", " ".join(map(str, cluster.cores))),
            ):
                files[f"{folder}/{name}"] = f"{value}\n"
            files[f"{folder}/cpuinfo_cur_freq"] = None
    return files


def _ranges(cores: list[int]) -> str:
    """`0-6` or `0-3,5`, as the kernel writes it."""
    pieces: list[list[int]] = []
    for core in cores:
        if pieces and core == pieces[-1][1] + 1:
            pieces[-1][1] = core
        else:
            pieces.append([core, core])
    return ",".join(f"{a}-{b}" if a != b else str(a) for a, b in pieces) + "\n"


def _thermal_files(phone: Phone) -> dict[str, str | None]:
    degrees = phone.temperatures_c()
    denied = phone.faulty("no-thermal-files")
    zones = [("cpuss-0", "cpu"), ("cpu-1-7", "cpu"), ("skin-therm", "skin"), ("battery", "battery")]
    files: dict[str, str | None] = {}
    for i, (name, sensor) in enumerate(zones):
        folder = f"/sys/class/thermal/thermal_zone{i}"
        files[f"{folder}/type"] = None if denied else f"{name}\n"
        files[f"{folder}/temp"] = None if denied else f"{round(1000 * degrees[sensor])}\n"
    return files


def _process_files(process: Process, folder: str) -> dict[str, str | None]:
    cores = [core for core in range(64) if process.mask >> core & 1]
    parent = 1 if process.parent is None else process.parent.pid
    status = (
        f"Name:\t{process.name[:15]}\nUmask:\t0077\nState:\tR (running)\nTgid:\t{process.pid}\nPid:\t{process.pid}\n"
        f"PPid:\t{parent}\nUid:\t2000\t2000\t2000\t2000\nThreads:\t1\nCpus_allowed:\t{process.mask:02x}\n"
        f"Cpus_allowed_list:\t{_ranges(cores)}"
    )
    return {f"{folder}/status": status, f"{folder}/comm": f"{process.name[:15]}\n", f"{folder}/cmdline": process.name}
