"""What runs Android's programs here: qemu-user, a cross C library, and what bionic has differently, `bionic.c`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import platformdirs

from evit_nas.errors import InputError
from evit_nas.fakephone.arm64.elf import C_LIBRARY

PACKAGES = ("qemu-user-static", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")
_EMULATORS = ("qemu-aarch64-static", "qemu-aarch64")
_COMPILER = "aarch64-linux-gnu-gcc"
_LOADER = "ld-linux-aarch64.so.1"
_COMPILE_S = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Toolchain:
    """`loader` is glibc's for arm64, `libraries` are the folders that it searches, ours first."""

    emulator: Path
    loader: Path
    libraries: tuple[Path, ...]

    def command(self, program: Path, name: str, arguments: list[str]) -> list[str]:
        """Words that run `program`, which sees itself called `name`. A core without SVE and SME, as most phones have:
        XNNPACK then takes the kernels that it takes there."""
        found = ":".join(map(str, self.libraries))
        loader = [str(self.loader), "--library-path", found, "--argv0", name, str(program)]
        return [str(self.emulator), "-cpu", "cortex-a76", *loader, *arguments]


def toolchain() -> Toolchain:
    """What is installed, with the library compiled once and kept. Raises InputError, naming the packages."""
    emulator = next((found for name in _EMULATORS if (found := shutil.which(name))), None)
    compiler = shutil.which(_COMPILER)
    loader = _asked(compiler, f"-print-file-name={_LOADER}") if compiler else ""
    missing = [name for name, found in (("qemu-aarch64", emulator), (_COMPILER, compiler)) if found is None]
    if not missing and not Path(loader).is_file():
        missing.append(_LOADER)
    if missing or emulator is None or compiler is None:
        raise InputError(
            f"--exec arm64: {', '.join(missing)} not found; on Debian and Ubuntu: apt-get install {' '.join(PACKAGES)}"
        )
    library = _compiled(compiler)
    return Toolchain(emulator=Path(emulator), loader=Path(loader), libraries=(library.parent, Path(loader).parent))


def _compiled(compiler: str) -> Path:
    """Our libc.so. Kept under a name of its source and compiler."""
    source = resources.files("evit_nas.fakephone.arm64").joinpath("bionic.c").read_bytes()
    digest = hashlib.sha256(source + _asked(compiler, "-dumpfullversion", "-dumpmachine").encode()).hexdigest()[:16]
    kept = platformdirs.user_cache_path("evit-nas") / "arm64" / digest / C_LIBRARY
    if kept.is_file():
        return kept
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            _compile(compiler, source, Path(folder) / C_LIBRARY).replace(kept)
    except OSError as error:
        raise InputError(f"--exec arm64: {kept.parent}: cannot be written ({error.strerror})") from None
    return kept


def _compile(compiler: str, source: bytes, made: Path) -> Path:
    words = ["-xc", "-std=gnu11", "-O2", "-fno-builtin", "-fPIC", "-shared", f"-Wl,-soname,{C_LIBRARY}", "-"]
    command = [compiler, "-o", str(made), *words, "-Wl,--no-as-needed", "-ldl", "-lm", "-lpthread"]
    done = subprocess.run(command, input=source, capture_output=True, timeout=_COMPILE_S, check=False)
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise InputError(f"--exec arm64: {_COMPILER} cannot compile the C library ({told[-1][:120]})")
    return made


def _asked(compiler: str, *options: str) -> str:
    done = subprocess.run([compiler, *options], capture_output=True, text=True, timeout=_COMPILE_S, check=False)
    return done.stdout.strip()
