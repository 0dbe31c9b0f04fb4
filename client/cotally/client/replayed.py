"""A stored release as another answer: the same totals in the order and under the names asked for now."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import prod

from cotally.v1 import catalog_pb2, query_pb2, round_pb2
from cotally.v1.canonical import canonical, digest
from cotally.v1.refusals import Refusal, Refused

from .canonicalise import canonical_query
from .equal import equal_form, nameless, nameless_keys
from .published import column_of, key_cells
from .scope import effective
from .verify.blocks import width
from .verify.bundle import Verified


def as_asked(verified: Verified, asked: query_pb2.Query, catalog: catalog_pb2.Catalog) -> Verified:
    """Return *verified* with its totals and readings laid out as *asked* orders and names them.

    Refuses EQUIVOCATION where the release answers another question: every spelling of one question has
    one form (`equal`), computed here from both.
    """
    stored = verified.query
    one, other = (digest("query", equal_form(each, catalog)) for each in (stored, asked))
    if one != other:
        raise Refused(Refusal.EQUIVOCATION, "the coordinator answered another question than ours")
    table = effective(asked, catalog)
    plan = round_pb2.Plan()
    plan.CopyFrom(verified.plan)
    del plan.readings[:]
    plan.readings.extend(verified.plan.readings[at] for at in _statistics(stored, asked))
    groups = _groups(stored, asked, [len(key_cells(column_of(table, key))) for key in asked.keys])
    totals = list(verified.totals)
    for block in plan.blocks:
        wide = width(block)
        for group, source in enumerate(groups):
            to, since = block.offset + group * wide, block.offset + source * wide
            totals[to:to + wide] = verified.totals[since:since + wide]
    return replace(verified, query=asked, table=table, plan=plan, totals=tuple(totals))


def _statistics(stored: query_pb2.Query, asked: query_pb2.Query) -> list[int]:
    """Where each asked statistic stands in the stored question."""
    left = [canonical(nameless(each)) for each in canonical_query(stored).statistics]
    places = []
    for each in canonical_query(asked).statistics:
        place = left.index(canonical(nameless(each)))
        left[place] = b""
        places.append(place)
    return places


def _groups(stored: query_pb2.Query, asked: query_pb2.Query, cells: Sequence[int]) -> list[int]:
    """Where each group of the asked order, row-major over *cells* of its keys, stands in the stored order."""
    names = nameless_keys(canonical_query(asked))
    order = [names.index(key) for key in nameless_keys(canonical_query(stored))]
    strides = {key: prod((cells[after] for after in order[at + 1:]), start=1) for at, key in enumerate(order)}
    return [sum(strides[key] * cell for key, cell in enumerate(group))
            for group in product(*(range(count) for count in cells))]
