"""A federation in memory in which encryption is the identity: packed plaintexts are added as they are.

All else is production's: the question's text, its plan, DuckDB over every department's own files, clamping
and noise behind one door, packing, the client's unpacking and decoding.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from cotally.client.decode.rows import Row, decode
from cotally.client.scope import effective as client_table
from cotally.client.sql.parse import parse
from cotally.client.verify.slots import unpack
from cotally.server.crypto.packing import pack
from cotally.server.dp.measure import measure as add_noise
from cotally.server.dp.noise import Noise
from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Block, Plan, Rules
from cotally.server.model.query import Query
from cotally.server.planner.check import check
from cotally.server.planner.plan import make_plan
from cotally.server.planner.scope import effective as server_table
from cotally.server.wire import catalog as wire_catalog
from cotally.server.wire import plan as wire_plan
from cotally.server.wire import query as wire_query
from cotally.v1 import catalog_pb2, query_pb2

RULES: Final = Rules(
    colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=1_000_000, modulus_bits=2048)
SALT: Final = b"salt of a catalog"
Vector = npt.NDArray[np.int64]
Lines = Sequence[str]  # of a CSV file, the header first


@dataclass(frozen=True)
class Asked:
    """A question with all that follows from it and from the catalog alone."""

    message: query_pb2.Query
    query: Query
    table: Table
    plan: Plan
    catalog: catalog_pb2.Catalog

    @property
    def rho(self) -> float:
        """The price."""
        return self.plan.pico_loss / 1e12

    def blocks_of(self, position: int) -> list[Block]:
        """The blocks that the statistic at *position* reads."""
        return [self.plan.blocks[block] for block in self.plan.readings[position]]

    def decode(self, totals: Sequence[int], departments: int) -> tuple[Row, ...]:
        """The client's answer."""
        message, table = wire_plan.to_message(self.plan), client_table(self.message, self.catalog)
        return decode(message, self.message, table, departments, totals)


def ask(text: str, catalog: catalog_pb2.Catalog, rules: Rules = RULES) -> Asked:
    """What the question *text* becomes for every party."""
    message = parse(text, catalog).query
    query, known = wire_query.from_message(message), wire_catalog.from_message(catalog)
    first, *others = (known.table(name) for name in (query.table, *(join.table for join in query.joins)))
    assert first is not None
    table = server_table(query, first, [each for each in others if each is not None])
    check(query, table)
    return Asked(message, query, table, make_plan(query, table, rules), catalog)


@dataclass(frozen=True)
class Measured:
    """A question and the un-noised vector of every department that holds its table."""

    asked: Asked
    vectors: Mapping[str, list[int]]

    @cached_property
    def exact(self) -> Vector:
        """The sum of the un-noised vectors."""
        total: Vector = np.sum([np.array(vector, np.int64) for vector in self.vectors.values()], axis=0)
        return total

    def release(self, noise: Noise, known: Collection[str] = ()) -> Vector:
        """The noised totals, less the noise of the departments in *known*, who tell it to the adversary."""
        packing, told = self.asked.plan.packing, np.zeros(self.asked.plan.coordinates, np.int64)
        opened = [0] * packing.ciphertexts
        for department, vector in self.vectors.items():
            noised = add_noise(vector, self.asked.plan, noise)
            opened = [a + b for a, b in zip(opened, pack(noised, packing), strict=True)]
            if department in known:
                told += np.array(noised, np.int64) - np.array(vector, np.int64)
        message = wire_plan.to_message(self.asked.plan).packing
        return np.array(unpack(opened, message, len(self.vectors)), np.int64) - told


class Federation:
    """Departments that froze their files: per department, the CSV lines of each table."""

    def __init__(self, catalog: catalog_pb2.Catalog, holdings: Mapping[str, Mapping[str, Lines]],
                 folder: Path) -> None:
        self.catalog = catalog
        self._engines: dict[str, DuckDB] = {}
        folder.mkdir(exist_ok=True)
        for department, files in holdings.items():
            engine = self._engines[department] = DuckDB(folder / department)
            for table in wire_catalog.from_message(catalog).tables:
                source = folder / f"{department}-{table.name}.csv"
                source.write_text("\n".join(files[table.name]) + "\n")
                engine.snapshot(table, source)

    def measure(self, asked: Asked, table: Table | None = None) -> Measured:
        """The un-noised vectors; of another *table* than the plan's where an engine's fault is planted."""
        measured = asked.table if table is None else table
        return Measured(asked, {name: engine.measure(asked.query, measured, asked.plan, SALT)
                                for name, engine in self._engines.items()})
