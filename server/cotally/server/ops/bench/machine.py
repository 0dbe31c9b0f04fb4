"""What the figures depend on beside the program: processor, libraries, and who else was working."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from cotally.server.crypto import backend

from .rows import MACHINE, Row

PACKAGES: Final = ("cotally", "gmpy2", "numpy", "phe", "sf-heu", "pypaillier", "opendp", "duckdb", "grpcio")
BUSY: Final = 0.03  # share of the time spent waiting for a processor above which figures are doubted
_ALLOWED: Final = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else frozenset[int]()
_FLAGS: Final = ("avx512ifma", "avx512f", "bmi2", "adx")


@contextmanager
def pinned() -> Iterator[int | None]:
    """Hold this process, and what it starts, to one processor (the last one); where a system cannot, none."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    allowed = os.sched_getaffinity(0)
    chosen = max(allowed)
    os.sched_setaffinity(0, {chosen})
    try:
        yield chosen
    finally:
        os.sched_setaffinity(0, allowed)


def allowed() -> int:
    """How many processors this process was given, before it was held to one of them; 0 if unknown."""
    return len(_ALLOWED)


@contextmanager
def spread(processors: int) -> Iterator[None]:
    """Let this thread, and those that it starts, use *processors* of the processors that it was given."""
    if not processors <= len(_ALLOWED):
        raise ValueError(f"this process has {len(_ALLOWED)} processors, not {processors}")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(_ALLOWED)[-processors:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def facts(processor: int | None, **setting: int) -> Row:
    """The first row of a suite: *processor* is the one that it is held to, *setting* what was asked."""
    model, flags, megahertz = _processor()
    said: dict[str, Any] = {
        "processor": model,
        "processors": os.cpu_count(),
        "pinned": processor,
        "flags": flags,
        "nominal_mhz": megahertz,
        "arithmetic": backend.detail(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "date": datetime.now(UTC).date().isoformat(),
        "load": round(os.getloadavg()[0], 2),
        "setting": setting,
    }
    return Row(row=MACHINE, facts={name: value for name, value in said.items() if value is not None})


class Waiting:
    """Counts the time that this thread waits for a processor, from its creation on."""

    def __init__(self) -> None:
        self._start, self._waited = time.monotonic(), _waited()

    def row(self, name: str) -> Row | None:
        """The share of the time so far spent waiting, and a warning where it is large; None if unknown."""
        now = _waited()
        elapsed = time.monotonic() - self._start
        if now is None or self._waited is None or elapsed <= 0:
            return None
        share = (now - self._waited) / elapsed
        warning = {"warning": f"other work kept the processor for {share:.0%} of the time; "
                              "measure again on a quieter machine"} if share > BUSY else None
        return Row(row=name, share=share, facts=warning)


def _waited() -> float | None:
    """Seconds that this thread was ready and not running, from Linux's scheduler."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> tuple[str, list[str], float | None]:
    """Model, the instruction sets that matter here, and the clock that the system names."""
    said: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").split("\n\n")[0].splitlines():
            name, _, value = line.partition(":")
            said[name.strip()] = value.strip()
    except OSError:
        pass
    model = said.get("model name", platform.processor() or platform.machine())
    if "cpu family" in said:
        model += f" (family {said['cpu family']}, model {said.get('model', '?')})"
    listed = said.get("flags", "").split()
    megahertz = float(said["cpu MHz"]) if "cpu MHz" in said else None
    return model, [flag for flag in _FLAGS if flag in listed], megahertz
