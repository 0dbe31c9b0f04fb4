"""Whether this machine can run cotally: Python, big integers, clock, loopback, room, cores, memory."""

import ctypes
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Final

from cotally.v1.refusals import Misconfigured

from .findings import Finding, fail, ok, warn

OLDEST: Final = (3, 11)
GIB: Final = 2**30
MIB: Final = 2**20
BUSIEST: Final = "ps aux --sort=-rss | head"  # who holds the memory
_RELEASED: Final = 1_767_225_600  # 2026-01-01: a clock before it is certainly wrong
_UNSYNCHRONISED: Final = 5  # TIME_ERROR, adjtimex(2)


def check() -> list[Finding]:
    """One finding per thing that a role, or a sandbox with many, needs."""
    return [python(), integers(), clock(time.time(), _kernel_clock()), loopback(), room(), cores(), memory()]


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Python's version."""
    text = f"{platform.python_implementation()} {'.'.join(map(str, version))}"
    if version < OLDEST:
        return fail("python", f"{text} is too old", "install Python 3.11 or newer")
    return ok("python", f"{text}, cotally {metadata.version('cotally')}")


def integers() -> Finding:
    """What multiplies big integers, which is where the time goes: the back end, and why not a faster one."""
    try:
        from cotally.server.crypto import backend
    except ImportError as error:
        return fail("big integers", f"gmpy2 does not load: {error}", "pip install --force-reinstall gmpy2")
    try:
        return ok("big integers", backend.detail())
    except Misconfigured as reason:
        return fail("big integers", reason.message, f"unset {backend.VARIABLE}")


def clock(now: float, kernel: int | None) -> Finding:
    """The clock, which certificates, questions and rounds rely on; *kernel* is what adjtimex(2) returns."""
    said = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < _RELEASED:
        return fail("clock", f"it says {said}, which is long ago", "sudo timedatectl set-ntp true")
    if kernel == _UNSYNCHRONISED:
        return warn("clock", f"{said}, kept by no time service that the kernel knows of",
                    "sudo timedatectl set-ntp true")
    return ok("clock", said + (", synchronised" if kernel is not None else ""))


def _kernel_clock() -> int | None:
    """What adjtimex(2) says about the clock; None where it cannot be asked."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(1024)))  # all zero: only read
    except (OSError, AttributeError):
        return None
    return state if state >= 0 else None


def loopback() -> Finding:
    """Whether a port of 127.0.0.1 can be bound and dialled, as a sandbox does."""
    try:
        with (socket.create_server(("127.0.0.1", 0)) as server,
              socket.create_connection(server.getsockname(), timeout=2)):
            return ok("loopback", "127.0.0.1 can be bound and dialled")
    except OSError as error:
        return fail("loopback", f"127.0.0.1 does not work: {error.strerror or error}",
                    "sudo ip link set lo up")


def room() -> Finding:
    """Space for temporary files: a sandbox's state and snapshots."""
    folder = Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return fail("space", f"{folder} is not writable: {error.strerror}", "export TMPDIR=$HOME")
    said = f"{free / GIB:.1f} GiB free in {folder}"
    fix = f"df -h {folder}; export TMPDIR=/another/disk"
    if free < 100 * MIB:
        return fail("space", said, fix)
    return ok("space", said) if free >= GIB else warn("space", said, fix)


def cores(usable: int | None = None) -> Finding:
    """Cores that this process may use."""
    if usable is None:
        affinity = getattr(os, "sched_getaffinity", None)
        usable = len(affinity(0)) if affinity else os.cpu_count() or 1
    said = f"{usable} usable"
    if usable < 2:
        return warn("cores", said, "give it two: rounds in a sandbox will be slow, and may time out")
    return ok("cores", said)


def memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> Finding:
    """Memory that is free, under the container's limit if there is one."""
    available = free_memory(meminfo, cgroup)
    if available is None:
        return ok("memory", "not known on this system")
    said = f"{available / GIB:.1f} GiB available"
    if available < 512 * MIB:
        return fail("memory", f"{said}: a node takes up to 250 MiB, a sandbox runs many roles", BUSIEST)
    return ok("memory", said) if available >= 2 * GIB else warn(
        "memory", f"{said}: enough for one role; a sandbox of five departments wants 2 GiB", BUSIEST)


def free_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that a process may still take; None where nobody knows."""
    available, spare = _available(meminfo), _spare(cgroup)
    return available if available is None or spare is None else min(available, spare)


def _available(meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _spare(cgroup: Path) -> int | None:
    """What a container's limit leaves (cgroup v2); None without a limit."""
    try:
        limit = int((cgroup / "memory.max").read_text("ascii"))
        used = int((cgroup / "memory.current").read_text("ascii"))
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text("ascii").splitlines())
    except (OSError, ValueError):  # no such file, or "max"
        return None
    return max(0, limit - used + int(stat.get("inactive_file", 0)))  # cached files make way
