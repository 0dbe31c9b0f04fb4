"""Sums up the rounds that were measured: percentiles, shares of the phases, bytes, CPU and memory.

The question called `federation` has all of these; the others have their seconds, large ones each phase too.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any, Final

from .rows import ROWS, Row, missing

SUITE: Final = "federation"
_OF_SMALL: Final = ("federation_p50", "federation_bytes")  # rows of the question called like the suite
_MEBIBYTE: Final = 2**20


@dataclass(slots=True)
class Measured:
    """What the measuring program said, line by line: the rounds of each question, and why others failed."""

    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    memory: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[str]) -> "Measured":
        """Read the lines that `benchmarks/federation.py measure` prints."""
        measured = cls()
        for line in lines:
            said = json.loads(line)
            if "seconds" in said:
                measured.rounds[said["question"]].append(said)
            elif "refused" in said:
                measured.refused[said["question"]].append(said["refused"])
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
    rounds, refused = measured.rounds[SUITE], measured.refused[SUITE]
    counts = [Row(row="federation_rounds", count=len(rounds)),
              Row(row="federation_rounds_incomplete", count=len(refused))]
    others = [row for name in ROWS[SUITE] if name not in _OF_SMALL for row in _of_question(measured, name)]
    if (why := _no_timing(rounds, refused)) is not None:
        return [*missing(SUITE, why, _OF_SMALL), *others, *counts]
    seconds = [said["seconds"] for said in rounds]
    return [
        Row(row="federation_p50", seconds=median(seconds), low=min(seconds), high=max(seconds),
            rounds=len(seconds)),
        Row(row="federation_p95", seconds=percentile(seconds, 95)),
        *_bytes(rounds),
        *others,
        *counts,
        *_phases(SUITE, rounds),
        *_cpu(rounds, kinds),
        *_memory(measured.memory, kinds),
        Row(row="federation_load", count=round(fmean(said["load"] for said in rounds), 1)),
    ]


def _no_timing(rounds: Sequence[object], refused: Sequence[str]) -> str | None:
    """Why nothing is claimed of a question's rounds; None where something is."""
    if not rounds:
        return f"no round was whole; the last one: {refused[-1] if refused else 'no round was measured'}"
    if len(rounds) < len(refused):
        return (f"only {len(rounds)} of {len(rounds) + len(refused)} rounds were whole: the machine is "
                "too busy for the departments to answer in time")
    return None


def _of_question(measured: Measured, name: str) -> Iterable[Row]:
    rounds = measured.rounds[name]
    if (why := _no_timing(rounds, measured.refused[name])) is not None:
        yield from missing(SUITE, why, [name])
        return
    seconds = [said["seconds"] for said in rounds]
    yield Row(row=name, seconds=median(seconds), low=min(seconds), high=max(seconds), rounds=len(seconds))
    if name.endswith("_cells"):
        yield from _phases(name, rounds)


def _bytes(rounds: Sequence[Mapping[str, Any]]) -> list[Row]:
    moved = [said["bytes"] for said in rounds]
    if None in moved or not any(moved):
        return missing(SUITE, "this kernel does not count the bytes of a socket", ["federation_bytes"])
    return [Row(row="federation_bytes", mebibytes=median(moved) / _MEBIBYTE)]


def _phases(question: str, rounds: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Each phase's median, and its share of the medians' sum."""
    medians = {name: median(said["phases"][name] for said in rounds) for name in rounds[0]["phases"]}
    whole = sum(medians.values())
    return [row for name, seconds in medians.items()
            for row in (Row(row=f"{question}_{name}", seconds=seconds),
                        Row(row=f"{question}_{name}_share", share=seconds / whole))]


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
