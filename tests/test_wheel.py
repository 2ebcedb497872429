"""The wheel carries what the tool needs: installed outside the checkout, it predicts with the shipped table."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("evit_nas-*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the wheel; the dependencies are seen through a .pth file."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=False)
    executable = folder / "bin" / "python"
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    pip = [sys.executable, "-m", "pip", "--python", str(executable), "install"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--quiet", str(wheel)], check=True, capture_output=True)
    paths = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / "dependencies.pth").write_text("\n".join(paths) + "\n")
    return executable


def call(python: Path, folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HOME": str(folder)}
    command = [str(python.with_name("evit-nas")), *argv]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_wheel_carries_spaces_tables_and_the_page(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "evit_nas/_data/search_spaces/efficientvit-seg.yaml",
        "evit_nas/report/templates/page.html",
        "evit_nas/fakephone/arm64/bionic.c",
        "evit_nas/py.typed",
    ):
        assert name in names
    assert any(name.startswith("evit_nas/_data/latency_tables/sm8450/") and name.endswith(".csv") for name in names)
    assert not [name for name in names if "/host-" in name], "tables of the machine that builds stay there"


def test_the_installed_wheel_predicts_outside_the_checkout(python: Path, tmp_path: Path) -> None:
    done = call(python, tmp_path, "predict", "b0", "--device", "sm8450", "--resolution", "512x1024", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert 0 < document["low_ms"] <= document["latency_ms"] <= document["high_ms"]
    assert document["provenance"] == "calibrated"
    assert str(ROOT) not in document["table"]


def test_the_installed_wheel_knows_its_spaces(python: Path, tmp_path: Path) -> None:
    done = call(python, tmp_path, "space", "efficientvit-seg", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["size"] > 10**6
