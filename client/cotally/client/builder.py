"""The fluent interface: questions built from Python values, the same messages as from SQL.

>>> q = TableQuery("people").where(col("age").between(18, 64)).group_by("sex")
>>> q = q.agg(n=count(), mean=avg("income")).with_privacy(epsilon=1)

Everything is immutable: each step returns a new object. Names and types are checked against the
catalog by `question(catalog)`, with the same refusals as SQL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from cotally.v1.catalog_pb2 import Catalog
from cotally.v1.query_pb2 import Query
from cotally.v1.refusals import Refusal, Refused

from .aggregates import (
    avg,
    bin_,
    clipped_high,
    clipped_low,
    corr,
    count,
    count_distinct,
    covar,
    histogram,
    incidences,
    median,
    month,
    quantile,
    quarter,
    regr,
    std,
    suggest_bounds,
    sum_,
    truncated,
    variance,
    weighted,
    year,
)
from .conditions import Col, Condition, col
from .question.draft import (
    Aggregate,
    Bounded,
    Computed,
    Draft,
    Joined,
    Listed,
    Name,
    Number,
    Question,
    Setting,
    Text,
)
from .question.resolve import resolve
from .written import PyNumber, amount_of, name_of

__all__ = [
    "Col",
    "Condition",
    "TableQuery",
    "avg",
    "bin_",
    "clipped_high",
    "clipped_low",
    "col",
    "corr",
    "count",
    "count_distinct",
    "covar",
    "histogram",
    "incidences",
    "median",
    "month",
    "quantile",
    "quarter",
    "regr",
    "std",
    "suggest_bounds",
    "sum_",
    "truncated",
    "variance",
    "weighted",
    "year",
]

Several = Mapping[str, PyNumber] | Sequence[PyNumber]
"""One number for each statistic, or some of them by alias."""


@dataclass(frozen=True, slots=True)
class TableQuery:
    """A question about one table, step by step. Subclasses may add fields; every step keeps them."""

    table: str
    condition: Condition | None = None
    keys: tuple[str | Computed, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    settings: tuple[Setting, ...] | None = None
    joins: tuple[Joined, ...] = ()
    bounded: tuple[Bounded, ...] = ()

    def join(self, table: str, using: str) -> Self:
        """JOIN table USING (using): pair a person's rows in one department. Columns are "table.column"."""
        return replace(self, joins=(*self.joins, Joined(name_of(table), name_of(using))))

    def where(self, *conditions: Condition) -> Self:
        """Keep the rows where all *conditions* hold, beside those of earlier steps."""
        joined = self.condition
        for condition in conditions:
            joined = condition if joined is None else joined & condition
        return replace(self, condition=joined)

    def group_by(self, *keys: str | Computed, **named: Computed) -> Self:
        """One row of the result per cell of these keys, beside those of earlier steps.

        `group_by("sex", bin_("age", 10))` takes the default name bin_age; `group_by(decade=bin_("age", 10))`
        names it.
        """
        for key in (*keys, *named.values()):
            if not isinstance(key, str | Computed):
                raise TypeError(
                    f"group_by takes columns and bin_(c, w), year(c), ..., not {type(key).__name__}"
                )
        aliased = (replace(key, alias=Name(alias)) for alias, key in named.items())
        return replace(self, keys=(*self.keys, *keys, *aliased))

    def agg(self, *unnamed: Aggregate, **named: Aggregate) -> Self:
        """Ask for statistics: `agg(n=count())` is COUNT(*) AS n, `agg(count())` takes the default name."""
        for aggregate in (*unnamed, *named.values()):
            if not isinstance(aggregate, Aggregate):
                raise TypeError(
                    f"agg takes count(), sum_(c), avg(c), median(c), ..., not {type(aggregate).__name__}"
                )
        aliased = (replace(a, alias=Name(alias)) for alias, a in named.items())
        return replace(self, aggregates=(*self.aggregates, *unnamed, *aliased))

    def bounds(self, column: str, lower: PyNumber, upper: PyNumber) -> Self:
        """Clamp *column* to these bounds, inside the declared ones."""
        added = Bounded(name_of(column), amount_of("lower", lower), amount_of("upper", upper))
        return replace(self, bounded=(*self.bounded, added))

    def with_privacy(
        self,
        *,
        epsilon: PyNumber | None = None,
        rho: PyNumber | None = None,
        error: PyNumber | Several | None = None,
        confidence: PyNumber | None = None,
        mechanism: str | None = None,
        purpose: str | None = None,
        weights: Several | None = None,
        consistent: bool | None = None,
        replay: bool | None = None,
    ) -> Self:
        """State the privacy clause, in place of any earlier one: exactly one of epsilon, rho and error.

        *error* may be several: {"n": 50, "mean": 1000}. *weights* steer how the loss is split. *replay*
        False asks for new noise, at its price, where an equal question was answered before.
        """
        values = {
            "epsilon": epsilon,
            "rho": rho,
            "error": error,
            "confidence": confidence,
            "weights": weights,
        }
        settings = [Setting(Name(key), _setting(key, v)) for key, v in values.items() if v is not None]
        texts = {"mechanism": mechanism, "purpose": purpose}
        settings += [Setting(Name(key), Text(v)) for key, v in texts.items() if v is not None]
        truths = {"consistent": consistent, "replay": replay}
        settings += [Setting(Name(key), Name(str(v).lower())) for key, v in truths.items() if v is not None]
        return replace(self, settings=tuple(settings))

    def question(self, catalog: Catalog) -> Question:
        """Return the canonical query and its purpose; raise Refused as `sql.parse` does."""
        if self.settings is None:
            raise Refused(Refusal.BAD_PRIVACY, "the question has no privacy clause: add, for example,"
                          " .with_privacy(epsilon=1)")
        draft = Draft(
            table=name_of(self.table),
            keys=tuple(key if isinstance(key, Computed) else name_of(key) for key in self.keys),
            aggregates=self.aggregates,
            where=None if self.condition is None else self.condition.test,
            settings=self.settings,
            joins=self.joins,
            bounds=self.bounded,
        )
        return resolve(draft, catalog)

    def query(self, catalog: Catalog) -> Query:
        """Return the canonical query alone."""
        return self.question(catalog).query


def _setting(key: str, value: PyNumber | Several) -> Number | Listed:
    if isinstance(value, Mapping):
        return Listed(tuple((Name(alias), amount_of(key, each)) for alias, each in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Listed(tuple((None, amount_of(key, each)) for each in value))
    return amount_of(key, value)
