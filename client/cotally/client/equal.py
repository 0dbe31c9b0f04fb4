"""Whether two questions are the same one: a form that all spellings of a question share.

Beyond the canonical form (`canonicalise`): keys and statistics are in order of their bytes, aliases are
left out, computed keys are called by what they compute, bounds equal to the declared ones are gone. Under
a stated error the first statistic stays first, since the error is its. Neither changes what is measured.
"""

from collections.abc import Sequence
from typing import Final

from cotally.v1.canonical import canonical, digest
from cotally.v1.catalog_pb2 import Catalog
from cotally.v1.query_pb2 import DerivedKey, Query, Statistic

from .canonicalise import canonical_query
from .question.decimals import exact

KEY: Final = "key-"


def equal_form(query: Query, catalog: Catalog) -> Query:
    """Return the form that *query* shares with every question equal to it; the argument stays as it is."""
    result = canonical_query(query)
    declared = _declared(query, catalog)
    bounds = [each for each in result.bounds
              if (exact(each.lower), exact(each.upper)) != declared.get(each.column, (None, None))]
    del result.bounds[:]
    result.bounds.extend(bounds)
    _nameless_keys(result)
    statistics = [nameless(each) for each in result.statistics]
    fixed = 1 if query.privacy.WhichOneof("target") == "error" else 0
    statistics[fixed:] = sorted(statistics[fixed:], key=canonical)
    del result.statistics[:]
    result.statistics.extend(statistics)
    return result


def query_fingerprint(query: Query, catalog: Catalog) -> str:
    """Return the name that equal questions share: 64 hexadecimal digits."""
    return digest("query", equal_form(query, catalog)).hex()


def nameless(statistic: Statistic) -> Statistic:
    """Return *statistic* without its alias."""
    result = Statistic()
    result.CopyFrom(statistic)
    result.alias = ""
    return result


def nameless_keys(query: Query) -> list[bytes]:
    """Return what each key of *query* is, whatever it is called, in the order of the keys."""
    derived = {key.name: key for key in query.derived}
    return [canonical(_nameless(derived[key])) if key in derived else key.encode() for key in query.keys]


def _nameless(key: DerivedKey) -> DerivedKey:
    result = DerivedKey()
    result.CopyFrom(key)
    result.name = ""
    return result


def _nameless_keys(query: Query) -> None:
    plain = set(query.keys) - {key.name for key in query.derived}
    derived = sorted((_nameless(key) for key in query.derived), key=canonical)
    for at, key in enumerate(derived):
        key.name = f"{KEY}{at}"
    del query.derived[:], query.keys[:]
    query.derived.extend(derived)
    query.keys.extend(sorted(plain) + [key.name for key in derived])


def _declared(query: Query, catalog: Catalog) -> dict[str, tuple[object, object]]:
    """The declared bounds of the numeric columns, by the names that *query* uses."""
    tables: Sequence[str] = (query.table, *(join.table for join in query.joins))
    return {
        f"{table.name}.{column.name}" if query.joins else column.name:
            (exact(column.lower), exact(column.upper))
        for table in catalog.tables if table.name in tables
        for column in table.columns if exact(column.lower) is not None}
