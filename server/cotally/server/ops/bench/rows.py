"""What one row of a suite says: a measured value with its spread, or why there is none."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

# In the order in which they are printed; scripts rely on the names.
ROWS: Final[Mapping[str, tuple[str, ...]]] = {
    "crypto": (
        "encrypt_djn_vs_phe", "encrypt_short_vs_phe", "encrypt_djn_vs_heu_packed",
        "encrypt_short_vs_heu_packed", "ciphertext_djn_vs_heu", "ciphertext_short_vs_heu", "decrypt_vs_phe",
        "add_vs_phe", "partial_vs_powmod", "combine_6000x1000", "threads_2_vs_1",
    ),
    "noise": ("noise_laplace_vs_opendp", "noise_gaussian_vs_opendp"),
    "engine": (
        "bound_vs_person_floor", "bound_groups_vs_person_floor", "bound_row_vs_plain",
        "bound_variance_vs_person_floor", "bound_median_vs_person_floor",
        "postgres_vs_plain", "postgres_row_vs_plain", "spark_vs_plain", "spark_row_vs_plain",
    ),
    "federation": ("federation_p50", "federation_bytes", "federation_10000_cells",
                   "federation_100000_cells", "node_path_100", "node_path_100000"),
}
MACHINE: Final = "machine"  # the row that every suite begins with: `facts`


class Missing(Exception):
    """A row cannot be measured here; the text says why. No failure of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One object of the output. One of `ratio`, `seconds`, `mebibytes`, `share`, `count`, `facts` and
    `missing` says what it is about; `seconds` and `mebibytes` may come together.

    `ratio` is the peer's time divided by ours, the median over rounds; `low` and `high` are the
    least and the greatest round (of a `seconds` row: in seconds). `rate` and `peer_rate` are per second.
    """

    row: str
    ratio: float | None = None
    seconds: float | None = None
    mebibytes: float | None = None
    share: float | None = None  # 0 to 1
    count: float | None = None
    low: float | None = None
    high: float | None = None
    rounds: int | None = None
    rate: float | None = None
    peer: str | None = None
    peer_rate: float | None = None
    unit: str | None = None  # what the rates count, plural
    facts: Mapping[str, Any] | None = None
    missing: str | None = None

    def to_json(self, **origin: str) -> str:
        """One line of JSON without the fields that say nothing; *origin* is `suite` and `backend`."""
        said = {**origin, **asdict(self)}
        return json.dumps({name: _rounded(value) for name, value in said.items() if value is not None})

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Row":
        """The row of one parsed object; suite and back end are left to whoever keeps them."""
        return cls(**{name: value for name, value in said.items() if name not in ("suite", "backend")})


@dataclass(frozen=True, slots=True)
class Run:
    """The rows of one suite on one back end."""

    suite: str
    backend: str
    rows: tuple[Row, ...]

    @property
    def setting(self) -> Mapping[str, Any]:
        """What the suite was asked for, so far as its first row says."""
        row = self.row(MACHINE)
        setting: Mapping[str, Any] = ((row.facts or {}) if row else {}).get("setting", {})
        return setting

    def row(self, name: str) -> Row | None:
        """The row called *name*."""
        return next((row for row in self.rows if row.row == name), None)


def missing(suite: str, why: str, rows: Iterable[str] | None = None) -> list[Row]:
    """Every promised row of *suite*, or each of *rows*, as missing for one reason."""
    return [Row(row=row, missing=why) for row in (ROWS[suite] if rows is None else rows)]


def read(lines: Sequence[str]) -> Run:
    """The run that *lines* print, one JSON object each. Raises ValueError for anything else."""
    said = [json.loads(line) for line in lines if line.strip()]
    try:
        ((suite, backend),) = {(each["suite"], each["backend"]) for each in said}
        return Run(suite, backend, tuple(Row.of(each) for each in said))
    except (KeyError, TypeError) as error:
        raise ValueError("this is not what a benchmark prints") from error


def _rounded(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, float) else value
