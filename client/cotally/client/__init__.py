"""Ask departments a question together: SDK, command line, checks of every release.

    from cotally.client import avg, col, connect, count
    con = connect()                     # the profile that COTALLY_PROFILE names
    con.sql("SELECT sex, COUNT(*) AS n FROM people GROUP BY sex WITH PRIVACY (epsilon = 0.5)").run().df()

Public names load on first use, so that `cotally --help` need not wait for pandas and gRPC.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cotally.v1.refusals import Misconfigured, Refusal, Refused

    from .ask import Ask
    from .builder import (
        Col,
        Condition,
        TableQuery,
        avg,
        bin_,
        clipped_high,
        clipped_low,
        col,
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
    from .connection import Connection, connect
    from .explain import Explanation
    from .handle import TableHandle
    from .release import Release
    from .study import Study

__all__ = [
    "Ask",
    "Col",
    "Condition",
    "Connection",
    "Explanation",
    "Misconfigured",
    "Refusal",
    "Refused",
    "Release",
    "Study",
    "TableHandle",
    "TableQuery",
    "avg",
    "bin_",
    "clipped_high",
    "clipped_low",
    "col",
    "connect",
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

_HOMES: Final = {
    "cotally.client.builder": (
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
    ),
    "cotally.client.ask": ("Ask",),
    "cotally.client.connection": ("Connection", "connect"),
    "cotally.client.explain": ("Explanation",),
    "cotally.client.handle": ("TableHandle",),
    "cotally.client.release": ("Release",),
    "cotally.client.study": ("Study",),
    "cotally.v1.refusals": ("Misconfigured", "Refusal", "Refused"),
}


def __getattr__(name: str) -> Any:
    """The public *name*, from the module that defines it (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(home), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
