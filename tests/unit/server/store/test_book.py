"""The rules that every department's ledger obeys, as tables of histories."""

import pytest

from cotally.server.store.book import Book, Kind
from cotally.v1.refusals import Refusal, Refused
from cotally.v1.round_pb2 import LedgerKind

Entry = tuple[Kind, str, bytes, int]
BUDGET: Entry = (Kind.BUDGET, "p", b"", 10)
A: Entry = (Kind.RESERVE, "p", b"a", 6)
B: Entry = (Kind.RESERVE, "p", b"b", 4)

HISTORIES: dict[str, tuple[list[Entry], int]] = {
    "nothing": ([], 0),
    "reserve": ([BUDGET, A], 4),
    "to the last": ([BUDGET, A, B], 0),
    "commit keeps": ([BUDGET, A, (Kind.COMMIT, "p", b"a", 6)], 4),
    "void gives back": ([BUDGET, A, (Kind.VOID, "p", b"a", 6)], 10),
    "raise": ([BUDGET, A, (Kind.BUDGET, "p", b"", 20)], 14),
    "lower below spent": ([BUDGET, A, (Kind.BUDGET, "p", b"", 5)], 0),
    "another population": ([BUDGET, (Kind.BUDGET, "q", b"", 9), (Kind.RESERVE, "q", b"a", 9)], 10),
}

REFUSED: dict[str, tuple[list[Entry], Refusal]] = {
    "no budget": ([A], Refusal.BUDGET_SPENT),
    "too much": ([BUDGET, A, (Kind.RESERVE, "p", b"b", 5)], Refusal.BUDGET_SPENT),
    "twice": ([BUDGET, B, B], Refusal.REPLAYED),
    "twice after void": ([BUDGET, A, (Kind.VOID, "p", b"a", 6), A], Refusal.REPLAYED),
    "free": ([BUDGET, (Kind.RESERVE, "p", b"a", 0)], Refusal.MALFORMED),
    "no round": ([BUDGET, (Kind.RESERVE, "p", b"", 1)], Refusal.MALFORMED),
    "no population": ([(Kind.BUDGET, "", b"", 1)], Refusal.MALFORMED),
    "budget of a round": ([(Kind.BUDGET, "p", b"a", 1)], Refusal.MALFORMED),
    "commit of nothing": ([BUDGET, (Kind.COMMIT, "p", b"a", 6)], Refusal.OUT_OF_ORDER),
    "commit at another price": ([BUDGET, A, (Kind.COMMIT, "p", b"a", 5)], Refusal.OUT_OF_ORDER),
    "void of more": ([BUDGET, A, (Kind.VOID, "p", b"a", 9)], Refusal.OUT_OF_ORDER),
    "void twice": ([BUDGET, A, (Kind.VOID, "p", b"a", 6), (Kind.VOID, "p", b"a", 6)], Refusal.OUT_OF_ORDER),
    "void after commit": (
        [BUDGET, A, (Kind.COMMIT, "p", b"a", 6), (Kind.VOID, "p", b"a", 6)], Refusal.OUT_OF_ORDER),
}


@pytest.mark.parametrize(("entries", "left"), HISTORIES.values(), ids=HISTORIES)
def test_what_is_left(entries: list[Entry], left: int) -> None:
    book = Book("north")
    for entry in entries:
        book.fold(*entry)
    assert book.left("p") == left


@pytest.mark.parametrize(("entries", "refusal"), REFUSED.values(), ids=REFUSED)
def test_what_breaks_a_rule_is_refused_and_changes_nothing(entries: list[Entry], refusal: Refusal) -> None:
    book = Book("north")
    for entry in entries[:-1]:
        book.fold(*entry)
    before = dict(book.budgets), dict(book.spent), dict(book.rounds)
    with pytest.raises(Refused) as caught:
        book.fold(*entries[-1])
    assert caught.value.refusal == refusal
    assert (book.budgets, book.spent, book.rounds) == before


def test_a_trial_leaves_the_book_alone_until_accepted() -> None:
    book = Book("north")
    book.fold(*BUDGET)
    trial = book.trial()
    trial.fold(*A)
    trial.fold(Kind.COMMIT, "p", b"a", 6)
    assert (book.left("p"), dict(book.rounds)) == (10, {})
    book.accept(trial)
    assert book.left("p") == 4
    assert book.rounds[b"a"].kind is Kind.COMMIT


def test_the_numbers_are_those_of_the_contract() -> None:
    assert {f"LEDGER_KIND_{kind.name}": int(kind) for kind in Kind} == {
        name: number for name, number in LedgerKind.items() if number
    }
