"""Asks a question and does something at an exact step of its round."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cotally.client.audit.evidence import ENTRY, mapped, records
from cotally.client.connection import Connection
from cotally.client.release import Release
from cotally.v1 import analyst_pb2, log_pb2
from cotally.v1.refusals import Refused
from tests.system.holdings import COUNT
from tests.system.running import Running

Step = analyst_pb2.Step
Price = dict[tuple[str, str, str], int]


def ask(con: Connection, step: int, act: Callable[[str], None], party: str = "", sql: str = COUNT) -> Release:
    """The release of *sql*; at the first *step* (of *party*, where given), *act* is called with its party."""
    acted: list[str] = []

    def watch(said: analyst_pb2.Progress) -> None:
        if said.step == step and party in ("", said.party) and not acted:
            acted.append(said.party)
            act(said.party)

    try:
        return con.sql(sql).run(watch)
    finally:
        assert acted, f"the round never came to {Step.Name(Step.ValueType(step))}"


def refused(con: Connection, sql: str = COUNT) -> Refused:
    """How *sql* is refused; fails if it is not."""
    with pytest.raises(Refused) as caught:
        con.sql(sql).run()
    return caught.value


def price(con: Connection, sql: str = COUNT) -> int:
    """What *sql* costs, in pico-rho."""
    return con.sql(sql).explain().plan.pico_loss


def charges(before: Price, after: Price, population: str = "residents") -> dict[str, int]:
    """What was charged between the two, by department, for one population; others are left out."""
    return {name: spent - before[kind, name, of] for (kind, name, of), spent in after.items()
            if kind == "department" and of == population and spent != before[kind, name, of]}


def log_of(federation: Running) -> list[log_pb2.LogEntry]:
    """The whole audit log, verified first: nothing may be wrong in it."""
    with federation.connect() as con, TemporaryDirectory() as folder:
        path = Path(folder) / "log.audit"
        con.audit(path).check()
        with mapped(path) as view:
            return [log_pb2.LogEntry.FromString(r.payload) for r in records(view) if r.tag == ENTRY]


def leaves(entries: list[log_pb2.LogEntry], kind: str, round_: bytes) -> list[log_pb2.LogEntry]:
    """The entries of *kind* about one round."""
    return [e for e in entries if e.WhichOneof("leaf") == kind and getattr(e, kind).round == round_]
