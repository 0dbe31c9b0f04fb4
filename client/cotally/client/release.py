"""A release that was verified: numbers with error bars, their price, and the proof to keep."""

import contextlib
import html
import os
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from google.protobuf.message import DecodeError

from cotally.v1 import log_pb2, query_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from . import shapes
from .decode.rows import Row, decode
from .equal import query_fingerprint
from .parameters import noise_parameters
from .privacy import Account, as_number
from .replayed import as_asked
from .verify.bundle import Verified, verify

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MECHANISM: Final[Mapping[int, str]] = {
    query_pb2.MECHANISM_GAUSSIAN: "gaussian", query_pb2.MECHANISM_LAPLACE: "laplace"}
EVENT_LEVEL: Final = "row"  # the unit of tables that protect rows, not people
_SHOWN = 20


class Release:
    """What a round released, after every check of `verify`.

    `df()` gives a DataFrame, `to_dict()` what the command line prints as JSON, `plot()` a chart, `save()`
    keeps the proof. `checks` are (name, sentence) pairs about what was verified.
    """

    def __init__(self, verified: Verified, replayed: bool = False) -> None:
        """Decode *verified*; refuse totals that do not fit the question."""
        self._verified = verified
        self.replayed = replayed  # it answered an equal question before
        self.rows: tuple[Row, ...] = decode(
            verified.plan, verified.query, verified.table, len(verified.departments), verified.totals)

    @classmethod
    def of(cls, bundle: log_pb2.Bundle, roster_fingerprint: bytes) -> "Release":
        """Return the release in *bundle* if every check passes; raise Refused otherwise."""
        return cls(verify(bundle, roster_fingerprint))

    @classmethod
    def replay(cls, bundle: log_pb2.Bundle, roster_fingerprint: bytes, asked: query_pb2.Query) -> "Release":
        """Return the stored release in *bundle* as the answer to *asked*, an equal question; else Refused."""
        verified = verify(bundle, roster_fingerprint)
        return cls(as_asked(verified, asked, bundle.charter.catalog), replayed=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str], roster_fingerprint: bytes | str) -> "Release":
        """Return the release that `save` wrote to *path*, verified again; Misconfigured if it is none.

        The roster's fingerprint is 32 bytes, or their 64 hex digits.
        """
        fingerprint = _fingerprint(roster_fingerprint)
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise Misconfigured(f"cannot read {os.fspath(path)}: {error.strerror}") from None
        bundle = log_pb2.Bundle()
        try:
            bundle.ParseFromString(data)
        except DecodeError:
            raise Misconfigured(f"{os.fspath(path)} is not a saved release") from None
        if not data or not bundle.HasField("release"):
            raise Misconfigured(f"{os.fspath(path)} is not a saved release")
        if bundle.SerializeToString() != data:  # a few flipped bits would spell the same message
            raise Refused(Refusal.MALFORMED, "the release is not spelled as it was saved")
        return cls.of(bundle, fingerprint)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the release with its whole proof to *path*, in one step; Misconfigured if that fails."""
        target = Path(path)
        try:
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(self._verified.bundle.SerializeToString())
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
                raise
        except OSError as error:
            raise Misconfigured(f"cannot write {os.fspath(path)}: {error.strerror}") from None

    @property
    def id(self) -> str:
        """The round's id, hexadecimal."""
        return self._verified.round.hex()

    @property
    def query(self) -> query_pb2.Query:
        """The question, as it was asked."""
        return self._verified.query

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the key columns."""
        return tuple(self._verified.query.keys)

    @property
    def statistics(self) -> tuple[str, ...]:
        """Aliases of the statistics, in the order asked."""
        return tuple(statistic.alias for statistic in self._verified.query.statistics)

    @property
    def departments(self) -> tuple[str, ...]:
        """Departments whose data is in the numbers."""
        return self._verified.departments

    @property
    def missing(self) -> tuple[str, ...]:
        """Holders of the table whose data is not: absent, or dropped out before the freeze."""
        return self._verified.missing

    @property
    def checks(self) -> tuple[tuple[str, str], ...]:
        """What was verified: (name, sentence) pairs."""
        return self._verified.checks

    @property
    def confidence(self) -> float:
        """Probability with which one interval covers the bounded truth."""
        return as_number(self._verified.query.privacy.confidence)

    @property
    def privacy(self) -> dict[str, Any]:
        """The price of the release, as in the JSON object.

        Gaussian: epsilon at the federation's delta, rounded up. Laplace: pure epsilon, and delta is 0.
        `rho` is what the ledgers were charged, and None where they count in epsilon.
        """
        plan, table, account = self._verified.plan, self._verified.table, Account(self._verified.delta)
        if plan.mechanism == query_pb2.MECHANISM_LAPLACE:
            epsilon, delta = Decimal(plan.epsilon), Decimal(0)
        else:
            epsilon, delta = account.epsilon(plan.pico_loss), Decimal(account.delta)
        return {
            "unit": table.unit_column or EVENT_LEVEL,
            "population": plan.population,
            "mechanism": MECHANISM[plan.mechanism],
            "rho": account.rho(plan.pico_loss),
            "epsilon": as_number(epsilon),
            "delta": as_number(delta),
            "assumed_honest": plan.honest,
        }

    def df(self) -> pd.DataFrame:
        """Return a DataFrame: key columns, then for each alias a: a, a_se, a_low, a_high.

        One row per public group, indexed from 0. NaN stands where the JSON object has null: an unstable
        mean has no standard error and no interval. With `consistent = true` counts have a_adjusted too. A
        statistic of several numbers has one column, of tuples; `long` tells them with their errors.
        """
        columns: dict[str, Any] = {
            key: [row.keys[at] for row in self.rows] for at, key in enumerate(self.keys)}
        for at, alias in enumerate(self.statistics):
            columns |= shapes.columns(alias, [row.estimates[at] for row in self.rows], self.query.consistent)
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self.rows)))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of a release: plain values, null for what is missing, never NaN."""
        verified = self._verified
        return {
            "release_id": self.id,
            "query_fingerprint": query_fingerprint(verified.query, verified.bundle.charter.catalog),
            "table": verified.table.name,
            "vintage": verified.table.vintage,
            "replayed": self.replayed,
            "departments": list(self.departments),
            "missing": list(self.missing),
            "confidence": self.confidence,
            "privacy": self.privacy,
            "noise": noise_parameters(verified.plan, verified.query, verified.table, len(self.departments)),
            "rows": [self._row(row) for row in self.rows],
        }

    def _row(self, row: Row) -> dict[str, Any]:
        cells: dict[str, Any] = dict(zip(self.keys, row.keys, strict=True))
        for statistic, estimate in zip(self.query.statistics, row.estimates, strict=True):
            cells |= shapes.members(statistic, estimate, self.confidence, self.query.consistent)
        return cells

    def long(self, alias: str) -> pd.DataFrame:
        """Return one row per group and number of the statistic *alias*.

        Keys, then the label (`lower` and `upper` of a bin, `term` of a coefficient), then value, se, low,
        high, flag, and adjusted with `consistent = true`.
        """
        at = self._position(alias)
        return shapes.long(
            self.keys, [(row.keys, row.estimates[at]) for row in self.rows], self.query.consistent
        )

    def histogram(self, alias: str) -> pd.DataFrame:
        """Return the bins of a HISTOGRAM or of suggested bounds, as `long` does; Refused for others."""
        return self._of_kind(
            alias, (query_pb2.STATISTIC_KIND_HISTOGRAM, query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS), "histogram"
        )

    def regression(self, alias: str) -> pd.DataFrame:
        """Return the coefficients of a REGR, as `long` does; Refused for another statistic."""
        return self._of_kind(alias, (query_pb2.STATISTIC_KIND_REGR,), "regression")

    def margins(self, alias: str, by: Sequence[str] = ()) -> pd.DataFrame:
        """Return the sums of a count or sum over all keys but *by*, with their exact errors."""
        at = self._position(alias)
        return shapes.margins(self._verified, self.rows, at, tuple(by))

    def _of_kind(self, alias: str, kinds: tuple[int, ...], what: str) -> pd.DataFrame:
        if self.query.statistics[self._position(alias)].kind not in kinds:
            raise Refused(
                Refusal.UNSUPPORTED, f"{alias!r} is no {what}: .df() and .long({alias!r}) have its numbers"
            )
        return self.long(alias)

    def _position(self, alias: str) -> int:
        if alias not in self.statistics:
            known = ", ".join(self.statistics)
            raise Refused(Refusal.UNKNOWN_NAME, f"the release has no statistic {alias!r}; it has {known}")
        return self.statistics.index(alias)

    def plot(self, ax: "Axes | None" = None, statistic: str | None = None) -> "Axes":
        """Draw one statistic (default: the first) with its intervals; return the Axes.

        Needs matplotlib: `pip install cotally[plot]`.
        """
        from .plot import draw
        return draw(self, ax, statistic)

    @property
    def caption(self) -> str:
        """One line that says what the numbers rest on: where from, how sure, at what price."""
        privacy = self.privacy
        price = f"epsilon {privacy['epsilon']:g}"
        if privacy["delta"]:
            price += f" at delta {privacy['delta']:g}"
        unit = "event-level" if privacy["unit"] == EVENT_LEVEL else "person-level"
        many = "" if len(self.departments) == 1 else "s"
        text = (f"{self._verified.table.name}, {len(self.departments)} department{many}, "
                f"{self.confidence * 100:g} % intervals, {unit} {price} ({privacy['mechanism']})")
        return text + (f", without {', '.join(self.missing)}" if self.missing else "")

    def __repr__(self) -> str:
        """Return the first rows and the caption, as text."""
        frame = self.df()
        more = f"\n... {len(frame) - _SHOWN} more groups: .df() has all" if len(frame) > _SHOWN else ""
        table = frame.head(_SHOWN).to_string(float_format=_number, na_rep="-", index=False)
        return f"{table}{more}\n{self.caption}; verified, release {self.id[:16]}"

    def _repr_html_(self) -> str:
        """Return the first rows and the caption, for notebooks."""
        frame = self.df()
        table = frame.head(_SHOWN).to_html(float_format=_number, na_rep="–", index=False, border=0)
        more = f"<p>&hellip; {len(frame) - _SHOWN} more groups</p>" if len(frame) > _SHOWN else ""
        return (f"{table}{more}<p><small>{html.escape(self.caption)}; verified, release "
                f"<code>{self.id[:16]}</code></small></p>")


def _fingerprint(roster: bytes | str) -> bytes:
    try:
        digits = bytes.fromhex(roster) if isinstance(roster, str) else roster
    except ValueError:
        digits = b""
    if len(digits) != 32:
        raise Misconfigured("a roster's fingerprint has 64 hex digits, or 32 bytes")
    return digits


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
