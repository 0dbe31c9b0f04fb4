"""CPU time and memory of processes, read from Linux's /proc."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

_KIB = 1024
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system seconds that each process has used so far, all threads; 10 ms resolution."""
    return {name: _cpu(pid) for name, pid in pids.items()}


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory(pid: int) -> dict[str, float]:
    """Resident mebibytes of a process: now, and the most it ever had."""
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines())
    status = {name: rest for name, _, rest in lines}
    return {word: int(status[field].split()[0]) * _KIB / 2**20
            for word, field in (("now", "VmRSS"), ("peak", "VmHWM"))}


def grown(run: Callable[[], object]) -> float | None:
    """Mebibytes by which this process's resident memory exceeds what it is now, at most, while *run* runs.

    None, and *run* has not run, where the system does not count the peak anew.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return None
    before = memory(os.getpid())["now"]
    run()
    return max(memory(os.getpid())["peak"] - before, 0.0)
