"""The ledger: durable before it says yes, never over its budget, and tamper-evident."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from cotally.server.ledger.ledger import MAX_PICO_LOSS, SCHEMA, Ledger, entry_hash
from cotally.server.store.book import Book, Kind
from cotally.server.store.database import open_database
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from cotally.v1.round_pb2 import LedgerKind

P = "residents"


def round_id(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "ledger.db", SCHEMA)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    ledger = Ledger(engine, "north")
    ledger.set_budget(P, 100)
    return ledger


def refusal_of(call: object, *arguments: object) -> Refusal:
    assert callable(call)
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value.refusal


def spent(ledger: Ledger, population: str = P) -> int:
    return next(s.spent_pico_loss for s in ledger.status() if s.population == population)


def test_entries_form_a_chain(ledger: Ledger) -> None:
    entry = ledger.reserve(round_id(1), P, 30)
    ledger.commit(round_id(1))
    assert (entry.node, entry.length, entry.kind) == ("north", 2, LedgerKind.LEDGER_KIND_RESERVE)
    assert entry.previous == ledger.hash_at(1)
    assert entry_hash(entry) == ledger.hash_at(2)
    assert ledger.length == 3
    assert ledger.hash_at(0) is ledger.hash_at(4) is None


def test_a_repeat_gets_the_same_entry_and_another_price_is_refused(ledger: Ledger) -> None:
    first = ledger.reserve(round_id(1), P, 30)
    ledger.commit(round_id(1))
    ledger.commit(round_id(1))
    assert ledger.reserve(round_id(1), P, 30) == first
    assert refusal_of(ledger.reserve, round_id(1), P, 31) == Refusal.EQUIVOCATION
    assert refusal_of(ledger.reserve, round_id(1), "others", 30) == Refusal.EQUIVOCATION
    assert (ledger.length, spent(ledger)) == (3, 30)


def test_what_is_written_beside_an_entry_shares_its_fate(ledger: Ledger, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (note INTEGER)")

    def note(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO notes VALUES (1)")

    def replay(connection: Connection) -> None:
        note(connection)
        raise Refused(Refusal.REPLAYED, "seen before")

    def notes() -> int:
        with engine.begin() as connection:
            return len(connection.exec_driver_sql("SELECT * FROM notes").all())

    ledger.reserve(round_id(1), P, 30, note)
    assert (notes(), ledger.length) == (1, 2)
    assert refusal_of(ledger.reserve, round_id(2), P, 100, note) is Refusal.BUDGET_SPENT
    assert refusal_of(ledger.reserve, round_id(2), P, 30, replay) is Refusal.REPLAYED
    assert refusal_of(ledger.commit, round_id(2), note) is Refusal.OUT_OF_ORDER
    assert (notes(), ledger.length) == (1, 2)
    ledger.commit(round_id(1), note)
    assert (notes(), ledger.length) == (2, 3)


def test_a_price_that_does_not_fit_is_refused_by_name(ledger: Ledger) -> None:
    ledger.set_budget(P, 1_500_000_000_000)
    ledger.reserve(round_id(1), P, 1_000_000_000_000)
    with pytest.raises(Refused) as caught:
        ledger.reserve(round_id(2), P, 500_000_000_001)
    assert caught.value.refusal == Refusal.BUDGET_SPENT
    for part in ("north", P, "0.5 rho left", "budget of 1.5 rho", "0.500000000001 rho"):
        assert part in caught.value.message
    ledger.reserve(round_id(3), P, 500_000_000_000)  # to the last pico-rho
    assert refusal_of(ledger.reserve, round_id(4), P, 1) == Refusal.BUDGET_SPENT


def test_populations_have_their_own_budgets(ledger: Ledger) -> None:
    ledger.set_budget("events", 5)
    ledger.reserve(round_id(1), P, 100)
    ledger.reserve(round_id(2), "events", 5)
    assert refusal_of(ledger.reserve, round_id(3), "strangers", 1) == Refusal.BUDGET_SPENT
    assert [(s.population, s.budget_pico_loss, s.spent_pico_loss) for s in ledger.status()] == [
        ("events", 5, 5), (P, 100, 100)
    ]


@pytest.mark.parametrize("price", [0, -1, MAX_PICO_LOSS + 1, 2**64])
def test_absurd_prices_and_budgets_are_refused(ledger: Ledger, price: int) -> None:
    assert refusal_of(ledger.reserve, round_id(1), P, price) == Refusal.MALFORMED
    if price:
        with pytest.raises(Misconfigured, match=P):
            ledger.set_budget(P, price)


def test_a_budget_is_written_only_when_it_differs(ledger: Ledger, engine: Engine) -> None:
    ledger.reserve(round_id(1), P, 60)
    for amount, length in [(100, 2), (100, 2), (40, 3), (40, 3), (90, 4)]:
        Ledger(engine, "north").set_budget(P, amount)  # as at every start
        assert ledger.length == length
    ledger.reserve(round_id(2), P, 30)
    assert refusal_of(ledger.reserve, round_id(3), P, 1) == Refusal.BUDGET_SPENT


def test_links_lead_from_the_logged_head_to_the_reservation(ledger: Ledger) -> None:
    for number in (1, 2, 3):
        ledger.reserve(round_id(number), P, 10)
    assert [e.length for e in ledger.links(0, round_id(2))] == [1, 2, 3]
    assert [e.length for e in ledger.links(2, round_id(3))] == [3, 4]
    # Logged past this round already: the entry itself is still told.
    assert [e.length for e in ledger.links(4, round_id(1))] == [2]
    assert refusal_of(ledger.links, 0, round_id(9)) == Refusal.OUT_OF_ORDER
    assert refusal_of(ledger.commit, round_id(9)) == Refusal.OUT_OF_ORDER


def test_the_audit_log_remembers_more_than_a_restored_copy(ledger: Ledger) -> None:
    ledger.reserve(round_id(1), P, 10)
    head = ledger.hash_at(2)
    assert head is not None
    ledger.check_logged(0, b"")
    ledger.check_logged(2, head)
    assert refusal_of(ledger.check_logged, 3, head) == Refusal.STEPPED_BACK
    assert refusal_of(ledger.check_logged, 1, head) == Refusal.EQUIVOCATION


def test_everything_survives_a_restart(ledger: Ledger, engine: Engine) -> None:
    entry = ledger.reserve(round_id(1), P, 30)
    again = Ledger(engine, "north")
    assert (again.length, spent(again), again.hash_at(2)) == (2, 30, ledger.hash_at(2))
    assert again.reserve(round_id(1), P, 30) == entry


TAMPERING = {
    "cheaper": "UPDATE ledger SET pico_loss = 1 WHERE length = 2",
    "richer": "UPDATE ledger SET pico_loss = 1000 WHERE length = 1",
    "removed": "DELETE FROM ledger WHERE length = 2",
    "beheaded": "DELETE FROM ledger WHERE length = 1",
    "renamed": "UPDATE ledger SET node = 'south'",
    "other round": "UPDATE ledger SET round = x'01' WHERE length = 3",
    "voided": "UPDATE ledger SET kind = 4 WHERE length = 3",
    "unknown kind": "UPDATE ledger SET kind = 9 WHERE length = 2",
    "rehashed": "UPDATE ledger SET hash = x'00' WHERE length = 2",
    "of another type": "UPDATE ledger SET pico_loss = 'x' WHERE length = 2",
}


@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING)
def test_a_tampered_ledger_is_refused(ledger: Ledger, engine: Engine, statement: str) -> None:
    ledger.reserve(round_id(1), P, 30)
    ledger.reserve(round_id(2), P, 30)
    Ledger(engine, "north")
    with engine.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount
    with pytest.raises(Misconfigured, match=r"ledger of north in .* is damaged at entry"):
        Ledger(engine, "north")


def test_a_consistent_forgery_that_overspends_is_refused(ledger: Ledger, engine: Engine) -> None:
    """Hashes alone would pass: the rules are checked too."""
    entry = ledger.reserve(round_id(1), P, 100)
    entry.length, entry.previous, entry.round, entry.pico_loss = 3, entry_hash(entry), round_id(2), 1
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (3, "north", entry.previous, entry.kind, P, entry.round, 1, entry_hash(entry)),
        )
    with pytest.raises(Misconfigured, match="entry 3"):
        Ledger(engine, "north")


def test_another_departments_ledger_is_refused(ledger: Ledger, engine: Engine) -> None:
    with pytest.raises(Misconfigured, match="south"):
        Ledger(engine, "south")


def test_threads_racing_for_the_last_budget_get_exactly_what_it_allows(ledger: Ledger) -> None:
    outcomes: list[Refusal | int] = []
    barrier = threading.Barrier(64)

    def race(number: int) -> None:
        barrier.wait()
        try:
            outcomes.append(ledger.reserve(round_id(number), P, 7).length)
        except Refused as refused:
            outcomes.append(refused.refusal)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(o for o in outcomes if isinstance(o, int)) == list(range(2, 16))  # 14 * 7 <= 100
    assert outcomes.count(Refusal.BUDGET_SPENT) == 64 - 14
    assert spent(ledger) == 98


def reserve_many(path: Path, first: int, queue: "multiprocessing.SimpleQueue[int]") -> None:
    ledger = Ledger(open_database(path, SCHEMA), "north")
    won = 0
    for number in range(first, first + 20):
        try:
            ledger.reserve(round_id(number), P, 3)
            won += 1
        except Refused:
            pass
    queue.put(won)


def test_processes_racing_for_the_last_budget_get_exactly_what_it_allows(
    ledger: Ledger, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.SimpleQueue[int] = context.SimpleQueue()
    processes = [
        context.Process(target=reserve_many, args=(tmp_path / "ledger.db", 100 * n, queue)) for n in range(4)
    ]
    for process in processes:
        process.start()
    won = sum(queue.get() for _ in processes)
    for process in processes:
        process.join(30)
    assert won == 33
    assert spent(ledger) == 99  # the one that was open all the time sees the others' entries
    assert ledger.length == 34


VICTIM = """
import sys
from pathlib import Path
from cotally.server.ledger.ledger import SCHEMA, Ledger
from cotally.server.store.database import open_database
ledger = Ledger(open_database(Path(sys.argv[1]), SCHEMA), "north")
for number in range(int(sys.argv[2]), 1_000_000):
    ledger.reserve(number.to_bytes(32, "big"), "residents", 1)
    print(number, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 17, 60])
def test_a_killed_process_never_undercharges(engine: Engine, tmp_path: Path, acknowledged: int) -> None:
    ledger = Ledger(engine, "north")
    ledger.set_budget(P, MAX_PICO_LOSS)
    heard: list[int] = []
    for first in (0, 10_000):  # the second one finds what the first one left
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(tmp_path / "ledger.db"), str(first)],
            stdout=subprocess.PIPE, text=True,
        )
        assert victim.stdout is not None
        heard += [int(victim.stdout.readline()) for _ in range(acknowledged)]
        os.kill(victim.pid, signal.SIGKILL)
        heard += [int(line) for line in victim.stdout.read().split("\n") if line]
        victim.wait()
    again = Ledger(open_database(tmp_path / "ledger.db", SCHEMA), "north")
    assert len(heard) >= 2 * acknowledged
    assert spent(again) >= len(heard)
    for number in heard:
        assert again.links(10**9, round_id(number))[0].pico_loss == 1


def contend(path: Path, number: int, queue: "multiprocessing.SimpleQueue[int]") -> None:
    """One of 64 clients: it reserves once, and every fourth has its round voided and tries again."""
    ledger = Ledger(open_database(path, SCHEMA), "north")
    won = 0
    try:
        ledger.reserve(round_id(number), P, 7)
        won = 1
        if number % 4 == 0 and ledger.void(round_id(number), Fraction(1)):
            ledger.reserve(round_id(1000 + number), P, 7)
    except Refused:
        pass
    queue.put(won)


@pytest.mark.parametrize("refunds", [0, 4])
def test_64_clients_racing_for_the_last_budget(ledger: Ledger, tmp_path: Path, refunds: int) -> None:
    """100 hold 14 prices of 7, however 64 processes, and their refunds, fall between one another."""
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.SimpleQueue[int] = context.SimpleQueue()
    numbers = [4 * n + 1 if refunds == 0 else n + 1 for n in range(64)]  # none, or every fourth, is voided
    clients = [context.Process(target=contend, args=(tmp_path / "ledger.db", n, queue)) for n in numbers]
    for client in clients:
        client.start()
    won = sum(queue.get() for _ in clients)
    for client in clients:
        client.join(60)
    assert won == 14 if refunds == 0 else won >= 14
    status = ledger.status()[0]
    assert 0 < status.spent_pico_loss <= 100 and status.spent_pico_loss % 7 == 0
    assert status.spent_pico_loss == 98 or refunds
    held = [r for r in Ledger(open_database(tmp_path / "ledger.db", SCHEMA), "north")._book.rounds.values()
            if r.kind is not Kind.VOID]
    assert sum(r.pico_loss for r in held) == status.spent_pico_loss == status.reserved_pico_loss


def test_a_refund_comes_once_and_never_for_what_was_committed(ledger: Ledger) -> None:
    for number in (1, 2):
        ledger.reserve(round_id(number), P, 30)
    ledger.commit(round_id(1))
    assert not ledger.void(round_id(1), Fraction(1))
    assert not ledger.void(round_id(3), Fraction(1))
    assert spent(ledger) == 60
    assert ledger.open_rounds() == [round_id(2)]
    for _ in range(2):
        assert ledger.void(round_id(2), Fraction(1))
        assert spent(ledger) == 30
    assert ledger.length == 5


def test_a_void_round_is_not_reserved_again(ledger: Ledger) -> None:
    """Its ciphertexts may have left: measuring it a second time would be free."""
    ledger.reserve(round_id(1), P, 30)
    ledger.void(round_id(1), Fraction(1))
    assert refusal_of(ledger.reserve, round_id(1), P, 30) is Refusal.OUT_OF_ORDER
    assert spent(ledger) == 0


def test_a_burn_spends_and_may_leave_nothing(ledger: Ledger) -> None:
    assert ledger.adopt([], lambda book: {P: 50 + book.left(P)}) == {P: 150}
    assert spent(ledger) == 150
    assert refusal_of(ledger.reserve, round_id(1), P, 1) is Refusal.BUDGET_SPENT
    assert refusal_of(ledger.adopt, [], lambda _: {P: 0}) is Refusal.MALFORMED


def test_what_the_log_holds_is_put_back_and_nothing_else(ledger: Ledger, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        ledger.reserve(round_id(number), P, 10)
    logged = ledger.links(0, round_id(3))
    restored = Ledger(open_database(tmp_path / "restored.db", SCHEMA), "north")
    restored.set_budget(P, 100)
    restored.reserve(round_id(1), P, 10)
    restored.adopt(logged)
    assert [restored.hash_at(n) for n in range(1, 5)] == [ledger.hash_at(n) for n in range(1, 5)]
    assert spent(restored) == 30
    restored.adopt(logged)
    assert restored.length == 4
    forked = Ledger(open_database(tmp_path / "forked.db", SCHEMA), "north")
    forked.set_budget(P, 100)
    forked.reserve(round_id(9), P, 10)
    assert refusal_of(forked.adopt, logged) is Refusal.EQUIVOCATION
    assert forked.length == 2


def test_what_is_put_back_and_what_is_burned_are_durable_together(ledger: Ledger, tmp_path: Path) -> None:
    ledger.reserve(round_id(1), P, 10)
    logged = ledger.links(0, round_id(1))
    restored = Ledger(open_database(tmp_path / "restored.db", SCHEMA), "north")

    def interrupted(book: Book) -> dict[str, int]:
        assert book.left(P) == 90
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restored.adopt(logged, interrupted)
    assert restored.length == 0  # still behind: the next attempt burns
    assert restored.adopt(logged, lambda book: {P: book.left(P)}) == {P: 90}
    assert (restored.length, spent(restored)) == (3, 100)
    assert Ledger(open_database(tmp_path / "restored.db", SCHEMA), "north").length == 3  # and it chains
