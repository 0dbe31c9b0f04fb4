"""Sums up the rounds that were measured: percentiles, shares of the phases, bytes, CPU and memory."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any, Final

from .rows import Row, missing

SUITE: Final = "federation"
_MEBIBYTE: Final = 2**20


@dataclass(slots=True)
class Measured:
    """What the measuring program said, line by line."""

    rounds: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    memory: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[str]) -> "Measured":
        """Read the lines that `benchmarks/federation.py measure` prints."""
        measured = cls()
        for line in lines:
            said = json.loads(line)
            if "seconds" in said:
                measured.rounds.append(said)
            elif "refused" in said:
                measured.refused.append(said["refused"])
            else:
                measured.memory = said["memory"]
        return measured


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile: the least value that *percent* of the values do not exceed.

    >>> percentile([5, 1, 4, 2, 3], 50), percentile([5, 1, 4, 2, 3], 95)
    (3, 5)
    """
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def sum_up(measured: Measured, kinds: Mapping[str, str]) -> list[Row]:
    """The rows of the suite; *kinds* gives each party's role ("node", "keyholder", "coordinator", "analyst").

    Rounds that some department missed are not in the timings; they are counted. Where they are
    more than half, the others were the lucky ones, and there are no timings.
    """
    counts = [Row(row="federation_rounds", count=len(measured.rounds)),
              Row(row="federation_rounds_incomplete", count=len(measured.refused))]
    if not measured.rounds:
        why = measured.refused[-1] if measured.refused else "no round was measured"
        return [*missing(SUITE, f"no round was whole; the last one: {why}"), *counts]
    if len(measured.rounds) < len(measured.refused):
        tried = len(measured.rounds) + len(measured.refused)
        return [*missing(SUITE, f"only {len(measured.rounds)} of {tried} rounds were whole: the machine is "
                                "too busy for the departments to answer in time"), *counts]
    seconds = [said["seconds"] for said in measured.rounds]
    return [
        Row(row="federation_p50", seconds=median(seconds), low=min(seconds), high=max(seconds),
            rounds=len(seconds)),
        Row(row="federation_p95", seconds=percentile(seconds, 95)),
        *_bytes(measured.rounds),
        *counts,
        *_phases(measured.rounds),
        *_cpu(measured.rounds, kinds),
        *_memory(measured.memory, kinds),
        Row(row="federation_load", count=round(fmean(said["load"] for said in measured.rounds), 1)),
    ]


def _bytes(rounds: Sequence[Mapping[str, Any]]) -> list[Row]:
    moved = [said["bytes"] for said in rounds]
    if None in moved or not any(moved):
        return missing(SUITE, "this kernel does not count the bytes of a socket", ["federation_bytes"])
    return [Row(row="federation_bytes", mebibytes=median(moved) / _MEBIBYTE)]


def _phases(rounds: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Each phase's median, and its share of the medians' sum."""
    medians = {name: median(said["phases"][name] for said in rounds) for name in rounds[0]["phases"]}
    whole = sum(medians.values())
    return [row for name, seconds in medians.items()
            for row in (Row(row=f"federation_{name}", seconds=seconds),
                        Row(row=f"federation_{name}_share", share=seconds / whole))]


def _cpu(rounds: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> list[Row]:
    """CPU seconds of one round, summed over the parties of each role."""
    spent: dict[str, float] = {}
    for name in rounds[0]["cpu"]:
        mean = fmean(said["cpu"][name] for said in rounds)
        spent[kinds[name]] = spent.get(kinds[name], 0) + mean
    return [Row(row=f"federation_cpu_{kind}", seconds=seconds) for kind, seconds in spent.items()]


def _memory(memory: Mapping[str, Mapping[str, float]], kinds: Mapping[str, str]) -> list[Row]:
    """The most that any party of each role holds, now and ever."""
    most: dict[str, dict[str, float]] = {}
    for name, sizes in memory.items():
        row = most.setdefault(kinds[name], {"now": 0.0, "peak": 0.0})
        for when, size in sizes.items():
            row[when] = max(row[when], size)
    return [row for kind, sizes in most.items()
            for row in (Row(row=f"federation_resident_{kind}", mebibytes=sizes["now"]),
                        Row(row=f"federation_resident_peak_{kind}", mebibytes=sizes["peak"]))]
