"""The one extra step of a build: compile the C kernel if a compiler is there; cotally works without it."""

import hashlib
import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "server/cotally/server/crypto"
# The baseline of the platform: what needs more says so function by function, and asks the processor.
FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds kernel.so to a wheel or beside an editable install, and tags the wheel accordingly."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile in silence; a wheel without the kernel stays a pure one."""
        if compile_kernel(Path(self.root) / FOLDER):
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}"


def compile_kernel(folder: Path) -> bool:
    """Compile kernel.c of *folder* to kernel.so there; True if that worked. If not, no stale one stays.

    The library appears at once and whole: a process that has the old one loaded keeps it.
    """
    source, library = folder / "kernel.c", folder / "kernel.so"
    partial = folder / f"kernel.so.{os.getpid()}"
    compiler = shlex.split(os.environ.get("CC") or "cc")
    try:
        digest = f'-DCOTALLY_SOURCE="{hashlib.sha256(source.read_bytes()).hexdigest()}"'
        subprocess.run([*compiler, *FLAGS, digest, "-o", str(partial), str(source)],
                       check=True, capture_output=True)
        partial.replace(library)
    except (OSError, subprocess.CalledProcessError):
        partial.unlink(missing_ok=True)
        library.unlink(missing_ok=True)
        return False
    return True
