"""What holds after every schedule, whatever happened.

- Every acknowledged release is served again, verifies, and says the same; its leaf is in the log.
- One query id has one release, one round has one measurement of each department, one sealed
  commitment of each, one partial decryption of each key holder.
- Each ledger chains, holds the price of every released round of its department, reserved once, and gives
  none back without the log's void leaf. At most one round for each fault is charged without a release.
- The log verifies offline, and what it says of budgets is what everybody holds (`accounting`).
- No un-noised number is in a file, a log line or a message.
- Every start takes less than ten seconds; nobody logs an error that no fault caused.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import combinations
from typing import Final

from cotally.client.audit.verifier import Audited, verify_log
from cotally.server.ledger.ledger import SCHEMA, Ledger
from cotally.server.store.book import Kind as Entry
from cotally.server.store.database import open_database
from cotally.v1 import analyst_pb2, keyholder_pb2, node_pb2, work_pb2  # noqa: F401
from cotally.v1.refusals import Refusal

from . import accounting
from .faults import KILLS
from .founding import exact
from .processes import Sweep
from .schedule import Schedule
from .script import Outcome

RESTART_S: Final = 10.0


def check(schedule: Schedule, sweep: Sweep, outcome: Outcome) -> None:
    """Fail on the first that does not hold."""
    _answers(schedule, outcome)
    accounting.check(schedule, sweep, outcome, _log(sweep, outcome))
    _ledgers(schedule, sweep, outcome)
    _once(sweep)
    _secret(sweep, outcome)
    for process in sweep.processes.values():
        took = [seconds for seconds in process.starts if seconds != float("inf")]  # others did not come to it
        assert max(took) < RESTART_S, f"{process.name} took {max(took):.1f} s to start"
    if all(fault.kind in KILLS for fault in schedule.faults):
        wrong = [line for line in sweep.log.getvalue().splitlines() if json.loads(line)["level"] == "error"]
        assert not wrong, wrong


def _answers(schedule: Schedule, outcome: Outcome) -> None:
    assert len(outcome.acknowledged) + len(outcome.refused) == 4  # three questions, and the last one
    rounds: dict[bytes, object] = {}
    for known in (*outcome.acknowledged, *outcome.again):
        told = known.bundle.release.SerializeToString(deterministic=True)
        assert rounds.setdefault(known.round, told) == told, "a release has changed"
    for known, *again in zip(outcome.acknowledged, outcome.again[::2], outcome.again[1::2], strict=True):
        for other in again:
            assert {**other.shown, "replayed": 0} == {**known.shown, "replayed": 0}
            assert other.round == known.round, "one question has two releases"
    internal = [r for r in outcome.refused if r.refusal is Refusal.INTERNAL]
    assert not internal or any(fault.kind not in KILLS for fault in schedule.faults), internal


def _log(sweep: Sweep, outcome: Outcome) -> Audited:
    audited = verify_log(sweep.founded.charter, sweep.founded.pin, outcome.entries, outcome.checkpoint)
    audited.check()
    released = {e.release.round for e in outcome.entries if e.WhichOneof("leaf") == "release"}
    for known in outcome.acknowledged:
        assert known.round in released, "an acknowledged release has no leaf in the log"
    for kind in ("announcement", "roster", "transcript", "release", "dead", "void"):
        leaves = Counter(getattr(e, kind).round for e in outcome.entries if e.WhichOneof("leaf") == kind)
        assert not leaves or max(leaves.values()) == 1, f"a round has two {kind} leaves"
    ended = released | {e.dead.round for e in outcome.entries if e.WhichOneof("leaf") == "dead"}
    begun = {e.announcement.round for e in outcome.entries if e.WhichOneof("leaf") == "announcement"}
    assert begun == ended, (f"rounds in the log without an end: {len(begun - ended)}, without a beginning: "
                            f"{len(ended - begun)}")
    both = released & {e.dead.round for e in outcome.entries if e.WhichOneof("leaf") == "dead"}
    assert not both, "a round is both released and dead in the log"
    return audited


def _ledgers(schedule: Schedule, sweep: Sweep, outcome: Outcome) -> None:
    void = {e.void.round for e in outcome.entries if e.WhichOneof("leaf") == "void"}
    released = {known.round: known for known in outcome.acknowledged}
    charged: set[bytes] = set()
    for name in sweep.founded.departments:
        state = sweep.processes[name].state
        engine = open_database(state / "ledger.db", SCHEMA)
        ledger = Ledger(engine, name)  # checks the chain
        book = ledger._book
        for round_, known in released.items():
            if name not in known.bundle.release.body.departments:
                continue
            entry = book.rounds.get(round_)
            assert entry is not None, f"{name} lost the charge of a release"
            assert entry.pico_loss == known.bundle.announcement.body.plan.pico_loss
            assert entry.kind is Entry.COMMIT, f"{name} did not close a released round ({entry.kind.name})"
        for round_, entry in book.rounds.items():
            assert entry.kind is not Entry.VOID or round_ in void, f"{name} took a price back without proof"
            if entry.kind is not Entry.VOID:
                charged.add(round_)
        spent = sum(e.pico_loss for e in book.rounds.values() if e.kind is not Entry.VOID)
        assert book.spent.get("residents", 0) == spent
        with engine.connect() as db:
            kept = db.exec_driver_sql(
                "SELECT COUNT(*) FROM rounds WHERE ciphertexts IS NOT NULL").scalar_one()
        assert kept == 0, f"{name} keeps ciphertexts of a round that is over"
        engine.dispose()
    lost = charged - {*released}
    assert len(lost) <= len(schedule.faults), f"{len(lost)} rounds were charged and not released"


def _once(sweep: Sweep) -> None:
    sealed: dict[tuple[str, bytes], set[bytes]] = {}
    for path, data in sweep.wire.said:
        if path == "/cotally.v1.Nodes/Commit" and data:
            body = work_pb2.CommitRequest.FromString(data).commitment.body
            if body.node:
                sealed.setdefault((body.node, body.round), set()).add(body.sealed)
    assert all(len(one) == 1 for one in sealed.values()), "a department sealed one round twice"
    for name in sweep.founded.departments:
        with sqlite3.connect(sweep.processes[name].state / "ledger.db") as db:
            [reserved] = db.execute("SELECT COUNT(*) FROM ledger WHERE kind = ?", (int(Entry.RESERVE),)
                                    ).fetchone()
        db.close()
        assert sweep.measured.count(name) <= reserved, f"{name} measured more often than it paid"


def needles(departments: tuple[str, ...]) -> Iterator[bytes]:
    """Every un-noised number, of one department and of several together, however it may be spelled."""
    cells = [exact(name) for name in departments]
    for members in range(1, len(cells) + 1):
        for some in combinations(cells, members):
            for value in map(sum, zip(*some, strict=True)):
                yield from spellings(value)


def spellings(value: int) -> Iterator[bytes]:
    """Decimal, hexadecimal, a varint, and bytes in both orders (fixed fields hold them too)."""
    size = (value.bit_length() + 7) // 8
    yield str(value).encode()
    yield f"{value:x}".encode()
    yield value.to_bytes(size, "big")
    yield value.to_bytes(size, "little")
    for number in (value, 2 * value):  # uint64 and sint64
        septets = [number >> shift & 127 for shift in range(0, number.bit_length(), 7)]
        yield bytes([*(s | 128 for s in septets[:-1]), septets[-1]])


def everything(sweep: Sweep) -> Iterator[tuple[str, bytes]]:
    """Every file of every start of every role, every log line, every message."""
    for path in sorted(sweep.folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(sweep.folder)), path.read_bytes()
    yield "log lines", sweep.log.getvalue().encode()
    said = {sha256(data).digest(): data for _, data in sweep.wire.said}
    yield "messages", b"\0\0".join(said.values())


def _secret(sweep: Sweep, outcome: Outcome) -> None:
    wanted = [*needles(sweep.founded.departments)]
    for where, data in everything(sweep):
        for needle in wanted:
            assert needle not in data, f"an un-noised number is in {where}"
