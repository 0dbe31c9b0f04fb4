"""What the build makes: a wheel for this platform with the C kernel, or one for all without; the sources."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
KERNEL = "cotally/server/crypto/kernel"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the build reads: it compiles into its own tree."""
    copy = tmp_path_factory.mktemp("build")
    for name in ("proto", "server", "client"):
        shutil.copytree(REPO / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "kernel.so*"))
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(REPO / name, copy)
    return copy


def built(tree: Path, target: str, **environment: str) -> Path:
    shutil.rmtree(tree / "dist", ignore_errors=True)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", target], cwd=tree, check=True,
                   env=os.environ | environment, capture_output=True)
    (made,) = (tree / "dist").iterdir()
    return made


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_a_wheel_with_the_kernel_is_for_this_platform(tree: Path) -> None:
    wheel = built(tree, "wheel", CC="cc")
    assert "-py3-none-" in wheel.name and not wheel.name.endswith("-any.whl")
    assert {f"{KERNEL}.so", f"{KERNEL}.c"} <= set(zipfile.ZipFile(wheel).namelist())


def test_a_wheel_without_a_compiler_is_for_all(tree: Path) -> None:
    (tree / "server" / f"{KERNEL}.so").write_bytes(b"of yesterday")
    wheel = built(tree, "wheel", CC="no-such-compiler")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]


def test_the_sources_hold_what_compiles_the_kernel_and_nothing_compiled(tree: Path) -> None:
    (tree / "server" / f"{KERNEL}.so").write_bytes(b"of yesterday")
    with tarfile.open(built(tree, "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"server/{KERNEL}.c", "hatch_build.py", "pyproject.toml"} <= names
    assert not [name for name in names if ".so" in name]
