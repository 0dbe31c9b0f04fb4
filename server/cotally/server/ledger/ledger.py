"""A department's ledger: append-only, hash-chained, on disk before it says yes.

Spend, then measure: `reserve` returns after the entry is durable, so a crash may lose budget but
never privacy. There is one ledger per department and in it one budget per population, over all
tables. Several threads and processes may hold the same file; each sees what the others wrote.
Design section 4, Ledger.
"""

import threading
from collections.abc import Callable, Container, Mapping, Sequence
from fractions import Fraction
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    insert,
    select,
)

from cotally.server.store.book import Book, Kind
from cotally.server.store.database import Schema, file_of, reading
from cotally.v1.canonical import NotCanonical, digest
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from cotally.v1.round_pb2 import LedgerEntry, LedgerKind
from cotally.v1.work_pb2 import LedgerStatus

MAX_PICO_LOSS: Final = 2**63 - 1  # what SQLite stores as an integer

_metadata: Final = MetaData()
_entries: Final = Table(
    "ledger", _metadata,
    Column("length", Integer, primary_key=True, autoincrement=False),
    Column("node", String, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("population", String, nullable=False),
    Column("round", LargeBinary, nullable=False),
    Column("pico_loss", Integer, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

Beside = Callable[[Connection], None]  # writes more in the transaction of an entry
Burns = Callable[[Book], Mapping[str, int]]  # what to burn of each population that the book knows
SCHEMA: Final = Schema("ledger", 1, _metadata)


def entry_hash(entry: LedgerEntry) -> bytes:
    """Return the 32 bytes that the next entry's `previous` repeats."""
    return digest("ledger", entry)


class Ledger:
    """The ledger of department *node* in the database behind *engine* (opened with SCHEMA).

    Opening replays and checks the whole chain; raises Misconfigured, naming file and entry, where
    it was altered or belongs to another department. A ledger cut short at its end still chains:
    `check_logged` compares it with what the audit log remembers. *pure* names the populations that count
    in epsilon, for refusals to say so.
    """

    def __init__(self, engine: Engine, node: str, pure: Container[str] = ()) -> None:
        self._engine = engine
        self._node = node
        self._lock = threading.Lock()
        self._book = Book(node, pure)
        self._hashes: list[bytes] = []  # hash of entry i + 1
        self._reserved: dict[bytes, int] = {}  # round -> length of its RESERVE
        with self._lock, reading(engine) as connection:
            self._catch_up(connection)

    @property
    def length(self) -> int:
        """Number of entries."""
        with self._lock, reading(self._engine) as connection:
            self._catch_up(connection)
            return len(self._hashes)

    def hash_at(self, length: int) -> bytes | None:
        """Return the hash of entry *length* (1 for the first), or None where there is no such entry."""
        with self._lock, reading(self._engine) as connection:
            self._catch_up(connection)
            return self._hashes[length - 1] if 1 <= length <= len(self._hashes) else None

    def set_budget(self, population: str, pico_loss: int) -> None:
        """Make *pico_loss* the budget of *population*: append a BUDGET entry if it differs from the current.

        What was spent stays spent. Raises Misconfigured for an amount that is negative or too large.
        """
        if not 0 <= pico_loss <= MAX_PICO_LOSS:
            raise Misconfigured(f"the budget of {self._node} for population {population} is out of range")
        with self._lock, self._engine.begin() as connection:
            self._catch_up(connection)
            if self._book.budgets.get(population) != pico_loss:
                self._append(connection, Kind.BUDGET, population, b"", pico_loss)

    def reserve(
        self, round_: bytes, population: str, pico_loss: int, beside: Beside = lambda _: None
    ) -> LedgerEntry:
        """Return the entry that reserves *pico_loss* for *round_*, durable before this returns.

        What *beside* writes to the same file is durable with the entry, or not at all.
        A repeat with the same price gets the same entry. Raises Refused: BUDGET_SPENT where
        spent + price does not fit, EQUIVOCATION where the round has another price or population,
        MALFORMED for a price out of range.
        """
        if not round_ or not 0 < pico_loss <= MAX_PICO_LOSS:
            raise Refused(Refusal.MALFORMED, f"{self._node}'s ledger takes no such round or price")
        with self._lock, self._engine.begin() as connection:
            self._catch_up(connection)
            beside(connection)
            known = self._book.rounds.get(round_)
            if known is None:
                return self._append(connection, Kind.RESERVE, population, round_, pico_loss)
            if (known.population, known.pico_loss) != (population, pico_loss):
                raise Refused(
                    Refusal.EQUIVOCATION,
                    f"{self._node}'s ledger already reserves round {round_.hex()[:16]} at another price",
                )
            if known.kind is Kind.VOID:
                raise Refused(Refusal.OUT_OF_ORDER, f"round {round_.hex()[:16]} is void")
            return self._read(connection, self._reserved[round_], self._reserved[round_])[0]

    def commit(self, round_: bytes, beside: Beside = lambda _: None) -> None:
        """Mark the reservation of *round_* as used for a release. A repeat changes nothing.

        What *beside* writes to the same file is durable with the entry, or not at all. Raises Refused
        OUT_OF_ORDER where nothing is reserved for the round, or it was voided.
        """
        with self._lock, self._engine.begin() as connection:
            self._catch_up(connection)
            beside(connection)
            known = self._book.rounds.get(round_)
            if known is None:
                raise self._not_reserved(round_)
            if known.kind is not Kind.COMMIT:
                self._append(connection, Kind.COMMIT, known.population, round_, known.pico_loss)

    def void(self, round_: bytes, refunds: Fraction, beside: Beside = lambda _: None) -> bool:
        """Take back the price of *round_*, and return whether that is so. A repeat changes nothing.

        The caller knows that the log holds the round's void leaf. No more than *refunds* times the budget
        ever comes back to a population: beyond, the price stays spent. So does that of a round that nothing
        is reserved for, or whose price was committed. *beside* as in `commit`.
        """
        with self._lock, self._engine.begin() as connection:
            self._catch_up(connection)
            beside(connection)
            known = self._book.rounds.get(round_)
            if known is None or known.kind is not Kind.RESERVE:
                return known is not None and known.kind is Kind.VOID
            cap = refunds * self._book.budgets.get(known.population, 0)
            fits = self._book.refunded(known.population) + known.pico_loss <= cap
            kind = Kind.VOID if fits else Kind.COMMIT
            self._append(connection, kind, known.population, round_, known.pico_loss)
            return fits

    def adopt(self, logged: Sequence[LedgerEntry], burns: Burns = lambda _: {}) -> dict[str, int]:
        """Append the entries that the audit log holds, from the first, and this ledger lost; then burn.

        *burns* gets the book that holds them, and says what to spend of each population without a round:
        what may have been reserved and was forgotten. It is returned. All of it is durable, or nothing.
        Raises Refused EQUIVOCATION where an entry here differs from the logged one, and what the book
        refuses of a chain that breaks its own rules.
        """
        with self._lock, self._engine.begin() as connection:
            self._catch_up(connection)
            known, trial = len(self._hashes), self._book.trial()
            for entry, hash_ in zip(logged, self._hashes, strict=False):
                if entry_hash(entry) != hash_:
                    raise Refused(
                        Refusal.EQUIVOCATION,
                        f"entry {entry.length} of {self._node}'s ledger differs from the audit log",
                    )
            for entry in logged[known:]:
                trial.fold(Kind(entry.kind), entry.population, entry.round, entry.pico_loss)
                _insert(connection, entry)
            hashes = [*self._hashes, *map(entry_hash, logged[known:])]
            burned = dict(burns(trial))
            for population, pico_loss in burned.items():
                trial.fold(Kind.BURN, population, b"", pico_loss)
                hashes.append(_insert(connection, LedgerEntry(
                    node=self._node, length=len(hashes) + 1, previous=hashes[-1] if hashes else b"",
                    kind=LedgerKind.LEDGER_KIND_BURN, population=population, pico_loss=pico_loss)))
            return burned

    def last_burns(self) -> dict[str, int]:
        """What the BURN entries at the very end of the ledger spend, by population."""
        with self._lock, reading(self._engine) as connection:
            self._catch_up(connection)
            burned: dict[str, int] = {}
            for entry in reversed(self._read(connection, 1, len(self._hashes))):
                if entry.kind != LedgerKind.LEDGER_KIND_BURN:
                    break
                burned[entry.population] = burned.get(entry.population, 0) + entry.pico_loss
            return burned

    def reserves(self, round_: bytes) -> bool:
        """True iff the ledger holds an entry of this round."""
        with self._lock, reading(self._engine) as connection:
            self._catch_up(connection)
            return round_ in self._book.rounds

    def open_rounds(self) -> list[bytes]:
        """Return the rounds that hold a reservation without an outcome."""
        with self._lock, reading(self._engine) as connection:
            self._catch_up(connection)
            return [round_ for round_, r in self._book.rounds.items() if r.kind is Kind.RESERVE]

    def links(self, after_length: int, round_: bytes) -> list[LedgerEntry]:
        """Return the entries after *after_length* up to the one that reserves *round_*, at least that one.

        Raises Refused OUT_OF_ORDER where nothing is reserved for the round.
        """
        with self._lock, reading(self._engine) as connection:
            self._catch_up(connection)
            last = self._reserved.get(round_)
            if last is None:
                raise self._not_reserved(round_)
            return self._read(connection, min(after_length + 1, last), last)

    def check_logged(self, length: int, hash_: bytes) -> None:
        """Refuse to go on where the audit log knows entry *length* under *hash_* and this ledger does not.

        Raises Refused: STEPPED_BACK where this ledger is shorter (restored from an older copy),
        EQUIVOCATION where it holds another entry there. A length of 0 (nothing logged) passes.
        """
        if length == 0:
            return
        mine = self.hash_at(length)
        if mine is None:
            raise Refused(
                Refusal.STEPPED_BACK,
                f"{self._node}'s ledger is older than the audit log, which knows {length} entries of it; "
                "was a backup restored?",
            )
        if mine != hash_:
            raise Refused(
                Refusal.EQUIVOCATION, f"entry {length} of {self._node}'s ledger differs from the audit log"
            )

    def status(self) -> list[LedgerStatus]:
        """Return budget and what was spent, reserved included, for each population, sorted."""
        with self._lock, reading(self._engine) as connection:
            self._catch_up(connection)
            return [
                LedgerStatus(
                    population=population, budget_pico_loss=budget,
                    spent_pico_loss=self._book.spent.get(population, 0),
                    reserved_pico_loss=self._book.reserved(population),
                )
                for population, budget in sorted(self._book.budgets.items())
            ]

    def _not_reserved(self, round_: bytes) -> Refused:
        return Refused(
            Refusal.OUT_OF_ORDER, f"{self._node}'s ledger reserves nothing for round {round_.hex()[:16]}"
        )

    def _append(
        self, connection: Connection, kind: Kind, population: str, round_: bytes, pico_loss: int
    ) -> LedgerEntry:
        """Insert the next entry; this object learns of it by reading it back once it is committed."""
        self._book.trial().fold(kind, population, round_, pico_loss)
        entry = LedgerEntry(
            node=self._node, length=len(self._hashes) + 1, previous=self._hashes[-1] if self._hashes else b"",
            kind=LedgerKind.ValueType(kind), population=population, round=round_, pico_loss=pico_loss,
        )
        _insert(connection, entry)
        return entry

    def _catch_up(self, connection: Connection) -> None:
        """Check and fold what this object has not seen yet of the committed entries."""
        query = select(_entries).where(_entries.c.length > len(self._hashes)).order_by(_entries.c.length)
        for row in connection.execute(query):
            length = len(self._hashes) + 1
            try:
                entry = _to_entry(row)
                hash_ = entry_hash(entry)
                previous = self._hashes[-1] if self._hashes else b""
                found = entry.node, entry.length, entry.previous, row.hash
                if found != (self._node, length, previous, hash_):
                    raise Refused(Refusal.MALFORMED, "it does not continue the chain")
                self._book.fold(Kind(entry.kind), entry.population, entry.round, entry.pico_loss)
            except (Refused, ValueError, TypeError) as error:
                raise Misconfigured(
                    f"the ledger of {self._node} in {file_of(self._engine)} is damaged at entry {length}: "
                    f"{error}; restore it from the audit log before taking part again"
                ) from error
            self._hashes.append(hash_)
            if entry.kind == LedgerKind.LEDGER_KIND_RESERVE:
                self._reserved[entry.round] = length

    def _read(self, connection: Connection, first: int, last: int) -> list[LedgerEntry]:
        query = select(_entries).where(_entries.c.length.between(first, last)).order_by(_entries.c.length)
        return [_to_entry(row) for row in connection.execute(query)]


def _insert(connection: Connection, entry: LedgerEntry) -> bytes:
    """Write one entry, and return its hash."""
    try:
        hash_ = entry_hash(entry)
    except NotCanonical as error:
        raise Refused(Refusal.MALFORMED, f"a ledger entry of {entry.node} is not canonical") from error
    connection.execute(insert(_entries).values(
        length=entry.length, node=entry.node, previous=entry.previous, kind=int(entry.kind),
        population=entry.population, round=entry.round, pico_loss=entry.pico_loss, hash=hash_,
    ))
    return hash_


def _to_entry(row: Row[tuple[int, str, bytes, int, str, bytes, int, bytes]]) -> LedgerEntry:
    return LedgerEntry(
        node=row.node, length=row.length, previous=row.previous, kind=row.kind,
        population=row.population, round=row.round, pico_loss=row.pico_loss,
    )
