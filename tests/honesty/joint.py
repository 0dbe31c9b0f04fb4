"""A federation in memory without encryption: what the departments would send is added up as it stands.

All else is production's: the question's text, its plan, DuckDB over every department's own file, the
noise that the plan states, the client's decoding.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from cotally.client.decode.asked import Asked
from cotally.client.decode.estimate import Estimate
from cotally.client.decode.methods import METHODS
from cotally.client.decode.rows import asked_of
from cotally.client.scope import effective as client_table
from cotally.client.sql.parse import parse
from cotally.client.verify.blocks import width
from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.model.plan import Plan, Rules
from cotally.server.planner.plan import make_plan
from cotally.server.planner.scope import effective as server_table
from cotally.server.wire import catalog as wire_catalog
from cotally.server.wire import plan as wire_plan
from cotally.server.wire import query as wire_query
from cotally.v1 import catalog_pb2, query_pb2
from tests.honesty import noise
from tests.honesty.people import Holding, Record

RULES: Final = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=120_000, modulus_bits=2048)
SALT: Final = b"salt of a catalog"


@dataclass(frozen=True, slots=True)
class Measured:
    """One question, measured once: its plan, what its decoders know, the sum of the un-noised vectors."""

    query: query_pb2.Query
    table: catalog_pb2.Table
    plan: Plan
    asked: tuple[Asked, ...]
    exact: np.ndarray
    groups: int
    departments: int

    def releases(self, draws: int, source: np.random.Generator) -> np.ndarray:
        """*draws* x coordinates: as many releases as one question could have had."""
        result: np.ndarray = self.exact + noise.summed(self.plan, self.departments, draws, source)
        return result

    def sigma(self, position: int) -> float:
        """The least standard deviation, in unrefined integers, of the blocks of a statistic."""
        blocks = (self.plan.blocks[block] for block in self.plan.readings[position])
        return min(math.sqrt(self.departments) * float(block.scale.fraction()) / block.refinement
                   for block in blocks)


class Federation:
    """Departments that froze their own records; questions are measured by all of them."""

    def __init__(self, holding: Holding, folder: Path) -> None:
        self.holding = holding
        self._catalog = wire_catalog.from_message(holding.catalog)
        self._engines = {}
        for name in holding.records:
            engine = self._engines[name] = DuckDB(folder / name)
            for table, part in zip(self._catalog.tables, (holding, holding.beside), strict=False):
                if part is not None:
                    engine.snapshot(table, _written(folder / f"{name}-{table.name}.csv", part.records[name]))

    def measure(self, text: str) -> Measured:
        """The un-noised totals of the question *text*, and everything that decoding takes."""
        query = parse(text, self.holding.catalog).query
        asked = wire_query.from_message(query)
        table = server_table(asked, self._catalog.tables[0], self._catalog.tables[1:] if asked.joins else ())
        plan = make_plan(asked, table, RULES)
        exact = np.zeros(plan.coordinates, np.int64)
        for engine in self._engines.values():
            exact += np.array(engine.measure(asked, table, plan, SALT), np.int64)
        message, published = wire_plan.to_message(plan), client_table(query, self.holding.catalog)
        departments = len(self._engines)
        return Measured(query, published, plan, asked_of(message, query, published, departments), exact,
                        plan.blocks[0].cells // plan.blocks[0].width, departments)


def _written(file: Path, records: list[Record]) -> Path:
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, records[0].keys())
        writer.writeheader()
        writer.writerows(records)
    return file


def decoded(asked: Asked, group: int, releases: np.ndarray) -> Iterator[Estimate]:
    """Every release's estimate of one statistic in one group."""
    decoder = METHODS[asked.statistic.kind](asked)
    columns = [
        releases[:, block.offset + group * width(block):block.offset + (group + 1) * width(block)].tolist()
        for block in asked.blocks]
    for totals in zip(*columns, strict=True):
        yield decoder(totals)
