"""The rows that each suite promises, and what one row says: a measured value, or why there is none."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

BACKEND: Final = "gmpy2"

# In the order in which they are printed; scripts rely on the names.
ROWS: Final[Mapping[str, tuple[str, ...]]] = {
    "crypto": (
        "encrypt_djn_vs_phe", "encrypt_short_vs_phe", "encrypt_djn_vs_heu_packed",
        "encrypt_short_vs_heu_packed", "ciphertext_djn_vs_heu", "ciphertext_short_vs_heu", "decrypt_vs_phe",
        "add_vs_phe", "partial_vs_powmod", "combine_6000x1000", "threads_2_vs_1",
    ),
    "noise": ("noise_laplace_vs_opendp", "noise_gaussian_vs_opendp"),
    "engine": ("bound_vs_person_floor", "bound_row_vs_plain"),
    "federation": ("federation_p50", "federation_bytes"),
}
LATER: Final = "not part of this release yet"


@dataclass(frozen=True, slots=True)
class Row:
    """One object of the output: one of `seconds`, `mebibytes`, `share`, `count` and `missing` is set."""

    suite: str
    row: str
    backend: str = BACKEND
    seconds: float | None = None
    mebibytes: float | None = None
    share: float | None = None  # of all the seconds of a round, 0 to 1
    count: float | None = None
    missing: str | None = None

    def to_json(self) -> str:
        """One line of JSON without the fields that say nothing."""
        return json.dumps({k: _rounded(v) for k, v in asdict(self).items() if v is not None})

    @property
    def value(self) -> str:
        """The value with its unit, for people."""
        if self.seconds is not None:
            return f"{self.seconds:.3f} s"
        if self.mebibytes is not None:
            return f"{self.mebibytes:.3f} MiB"
        if self.share is not None:
            return f"{100 * self.share:.0f} %"
        if self.count is not None:
            return f"{self.count:g}"
        return f"missing: {self.missing}"


def missing(suite: str, why: str, rows: Sequence[str] = ()) -> list[Row]:
    """Every promised row of *suite*, or those in *rows*, as missing for one reason."""
    return [Row(suite, row, missing=why) for row in rows or ROWS[suite]]


def table(rows: Iterable[Row]) -> str:
    """The rows as aligned text, one per line."""
    shown = list(rows)
    width = max((len(row.row) for row in shown), default=0)
    return "\n".join(f"{row.row:<{width}}  {row.value}" for row in shown)


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value
