"""What each row must reach: a ratio at least, seconds or mebibytes at most."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from .rows import Row, Run


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit on one quantity of a row."""

    quantity: Literal["ratio", "seconds", "mebibytes"]
    limit: float

    def reached(self, row: Row) -> bool:
        """Whether *row* reaches it; a missing row does not."""
        value: float | None = getattr(row, self.quantity)
        if value is None:
            return False
        return value >= self.limit if self.quantity == "ratio" else value <= self.limit


def _ratio(ifma: float, gmpy2: float) -> dict[str, tuple[Bar, ...]]:
    return {"ifma": (Bar("ratio", ifma),), "gmpy2": (Bar("ratio", gmpy2),)}


def _seconds(ifma: float, gmpy2: float, *more: Bar) -> dict[str, tuple[Bar, ...]]:
    return {"ifma": (Bar("seconds", ifma), *more), "gmpy2": (Bar("seconds", gmpy2), *more)}


_GIGABYTE: Final = Bar("mebibytes", 10**9 / 2**20)

# What a run must have been asked for, so far as it says, to be held to the bars.
_ASKED: Final = {"bits": 3072, "values": 10_000, "departments": 6_000, "rows": 10_000_000}
_ASKED_OF: Final = ("crypto", "engine", "federation")

_BARS: Final[Mapping[str, Mapping[str, tuple[Bar, ...]]]] = {
    "encrypt_djn_vs_phe": _ratio(5_500, 700),
    "encrypt_short_vs_phe": _ratio(16_000, 2_000),
    "encrypt_djn_vs_heu_packed": _ratio(6, 0.85),
    "encrypt_short_vs_heu_packed": _ratio(18, 2.3),
    "ciphertext_djn_vs_heu": _ratio(6, 0.8),
    "ciphertext_short_vs_heu": _ratio(18, 2.3),
    "decrypt_vs_phe": _ratio(400, 42),
    "add_vs_phe": _ratio(400, 65),
    "partial_vs_powmod": _ratio(8, 0.65),
    "combine_6000x1000": _seconds(0.3, 1.6, Bar("mebibytes", 64)),
    "threads_2_vs_1": _ratio(1.7, 1.5),
    "noise_laplace_vs_opendp": _ratio(80, 80),
    "noise_gaussian_vs_opendp": _ratio(140, 140),
    "bound_vs_person_floor": _ratio(1 / 2.5, 1 / 2.5),
    "bound_memory": {"ifma": (_GIGABYTE,), "gmpy2": (_GIGABYTE,)},
    "bound_groups_vs_person_floor": _ratio(1 / 12, 1 / 12),
    "bound_groups_memory": {"ifma": (_GIGABYTE,), "gmpy2": (_GIGABYTE,)},
    "bound_row_vs_plain": _ratio(1 / 2, 1 / 2),
    "bound_row_memory": {"ifma": (_GIGABYTE,), "gmpy2": (_GIGABYTE,)},
    "federation_p50": _seconds(0.6, 1.5),
    "federation_10000_cells": {"ifma": (Bar("seconds", 5),)},
    "node_path_100": {"ifma": (Bar("seconds", 0.15),)},
    "node_path_100000": {"ifma": (Bar("seconds", 3),)},
}
_NOISE_AT_ANY_SCALE: Final = _ratio(8, 8)
_SMALL_SCALE: Final = 1_000  # up to which the bars are those of the promised rows


def bars(row: str, run: Run) -> tuple[Bar, ...]:
    """The bars of *run*'s row called *row*; none for most rows beside the promised ones.

    None either where the run was asked for another key or vector than the bars are about.
    """
    other = any(run.setting.get(name, value) != value for name, value in _ASKED.items())
    if other and run.suite in _ASKED_OF:
        return ()
    name, at, scale = row.partition("_at_")
    table = _NOISE_AT_ANY_SCALE if at and int(scale) > _SMALL_SCALE else _BARS.get(name, {})
    return table.get(run.backend, ())
