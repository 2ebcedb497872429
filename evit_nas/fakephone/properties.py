"""Build properties and system settings of the fake phone."""

from __future__ import annotations

from evit_nas.soc.registry import Soc

FINGERPRINT_PREFIX = "evit-nas/fake"
TOOL_PATH = "/data/local/tmp/benchmark_model"
EMULATED = "ro.boot.qemu"  # as on Android's emulator


def properties_of(soc: Soc, build: str) -> dict[str, str]:
    """What getprop shows. Every fake phone is known by `ro.build.fingerprint`, which starts with evit-nas/fake."""
    platform = soc.platforms[0]
    name = f"fake_{platform}"
    return {
        "ro.board.platform": platform,
        "ro.boot.hardware": "qcom",
        "ro.build.fingerprint": f"{FINGERPRINT_PREFIX}_{platform}/{platform}:14/FAKE.{build}/{build}:user/release-keys",
        "ro.build.id": f"FAKE.{build}",
        "ro.build.type": "user",
        "ro.build.version.incremental": build,
        "ro.build.version.release": "14",
        "ro.build.version.sdk": "34",
        "ro.debuggable": "0",
        "ro.hardware": "qcom",
        "ro.product.cpu.abi": "arm64-v8a",
        "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
        "ro.product.device": platform,
        "ro.product.manufacturer": "evit-nas",
        "ro.product.model": f"Fake {soc.name.removeprefix('Snapdragon ')}",
        "ro.product.name": name,
        "ro.secure": "1",
        "ro.serialno": "evitfake",
        "ro.soc.manufacturer": "QTI",
        "ro.soc.model": soc.model,
        "sys.boot_completed": "1",
    }


def default_settings() -> dict[tuple[str, str], str]:
    """`settings get NAMESPACE KEY`."""
    return {
        ("global", "airplane_mode_on"): "0",
        ("global", "stay_on_while_plugged_in"): "0",
        ("global", "low_power"): "0",
        ("system", "screen_brightness"): "102",
        ("system", "screen_brightness_mode"): "1",
        ("system", "screen_off_timeout"): "60000",
    }
