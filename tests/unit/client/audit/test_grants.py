"""Grants and what was taken back, as the log shows them: nobody is answered who may not ask.

A round rests on the grants that its roster names: of all three departments, unless a test says otherwise.
"""

from collections.abc import Callable, Sequence

import pytest

from cotally.v1 import log_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.bundle import NODES, sign
from tests.fixtures.long_log import NOT_AFTER_MS, granted, revoked
from tests.unit.client.audit.growing import BEGUN, A, B, Log, replay

EAST = granted("east").grant.grant


def shown(*nodes: str) -> Log:
    """A log that begins with grants of these departments; of three, they are entries 1 to 3."""
    return Log(nodes)


def answered(log: Log, purpose: str = "statistics") -> Log:
    """A round after it: announced, frozen, combined, released."""
    return log.round(A, purpose=purpose).released(A)


def resting_on(grant: log_pb2.LogEntry) -> Log:
    """A log in which east commits under this grant."""
    log = Log()
    log.ledgers["east"].grant = grant.grant.grant
    return log


def complaint(log: Log) -> tuple[int, Refusal, str]:
    """The first finding."""
    with pytest.raises(Refused):
        log.audited.check()
    first = log.audited.findings[0]
    return first.index, first.refusal, first.sentence


def permitted(purpose: str = "research", nodes: Sequence[str] = NODES) -> log_pb2.LogEntry:
    """A replay under the grants of *nodes*."""
    return replay(A, purpose=purpose, grants=[granted(node).grant.grant for node in nodes])


@pytest.mark.parametrize("more", [
    (), (granted("east"),), (granted("east", purposes=["other"]),),
    (revoked("east", 1, [bytes(32)]),),                                      # another grant
    (revoked("east", 1, analysts=[("analyst", "research")]),),               # another purpose
    (revoked("north", 1, [EAST]),),                                          # not north's to take back
    (revoked("board", 1, members=["bob"]),),
    (revoked("east", 1, [EAST]), revoked("east", 2)),                        # and given back
])
def test_who_may_ask_is_answered(more: Sequence[log_pb2.LogEntry]) -> None:
    assert not answered(shown(*NODES).add(*more)).audited.findings


@pytest.mark.parametrize("more", [
    (revoked("east", 1, [EAST]),),
    (revoked("east", 1, analysts=[("analyst", "statistics")]),),
    (revoked("east", 1, analysts=[("analyst", "")]),),
    (revoked("east", 1, analysts=[("analyst", "")]), granted("east", purposes=["statistics"])),
    (revoked("board", 1, members=["analyst"]),),
    (revoked("board", 1, members=["east"]),),
    (revoked("east", 1), revoked("east", 2, [EAST])),
    (revoked("east", 1, [EAST]), granted("east", purposes=["statistics"])),  # and granted anew
])
def test_what_was_taken_back_ahead_of_the_transcript_is_not_released(
    more: Sequence[log_pb2.LogEntry],
) -> None:
    log = answered(shown(*NODES).add(*more))
    assert complaint(log)[:2] == (len(log.entries) - 1, Refusal.NOT_ALLOWED)
    late = shown(*NODES).round(A, purpose="statistics").add(*more).released(A)
    assert not late.audited.findings
    unreleased = shown(*NODES).add(*more).round(A, purpose="statistics").died(A)
    assert not unreleased.audited.findings


def test_a_release_without_any_grant_in_the_log_is_found() -> None:
    log = answered(shown())
    assert complaint(log) == (4, Refusal.NOT_ALLOWED, f"entry 4: it releases round {A.hex()[:16]}, which "
                                                      "'east' did not let be asked")


@pytest.mark.parametrize("log", [
    lambda: shown("east", "north"), lambda: shown("east", "north").add(granted("west", purposes=["other"])),
    lambda: resting_on(granted("east", "bob")).add(granted("east", "bob")),        # another analyst's
    lambda: resting_on(granted("east", purposes=["research"])).add(granted("east", purposes=["research"])),
    lambda: resting_on(granted("north")), lambda: resting_on(log_pb2.LogEntry()),
])
def test_every_department_that_answers_has_granted(log: Callable[[], Log]) -> None:
    indices = [f.index for f in answered(log()).audited.findings if f.refusal is Refusal.NOT_ALLOWED]
    assert len(indices) == 1


def test_a_grant_that_is_shown_after_the_transcript_is_too_late() -> None:
    early, late = shown("east", "north"), shown("east", "north")
    early.add(granted("west")).round(A, purpose="statistics").released(A)
    late.round(A, purpose="statistics").add(granted("west")).released(A)
    assert not early.audited.findings
    assert complaint(late)[:2] == (len(late.entries) - 1, Refusal.NOT_ALLOWED)


@pytest.mark.parametrize(("at_ms", "allowed"), [(NOT_AFTER_MS, True), (NOT_AFTER_MS + 1, False)])
def test_a_grant_expires(at_ms: int, allowed: bool) -> None:
    log = shown(*NODES).round(A, purpose="statistics", announced_ms=at_ms).released(A)
    assert [f.refusal for f in log.audited.findings] == ([] if allowed else [Refusal.NOT_ALLOWED])


@pytest.mark.parametrize("entry", [
    permitted("other"), permitted(nodes=("east", "north", "north")), permitted(nodes=("board",)),
    permitted(nodes=()), permitted(nodes=NODES[:2])])
def test_a_replay_needs_grants_too(entry: log_pb2.LogEntry) -> None:
    assert not answered(shown(*NODES)).add(permitted()).audited.findings
    assert complaint(answered(shown(*NODES)).add(entry))[:2] == (8, Refusal.NOT_ALLOWED)
    for back in (revoked("east", 1, [EAST]), revoked("east", 1, analysts=[("analyst", "research")]),
                 revoked("board", 1, members=["analyst"])):
        assert complaint(answered(shown(*NODES)).add(back, permitted()))[:2] == (9, Refusal.NOT_ALLOWED)


def altered(change: Callable[[log_pb2.LogEntry], object], resigned: str = "") -> log_pb2.LogEntry:
    entry = revoked("east", 1, [EAST])
    change(entry)
    if resigned:
        signed = entry.revocation.revocation
        signed.signature = sign(resigned, "revocation", signed.body)
    return entry


def federation(entry: log_pb2.LogEntry) -> None:
    entry.revocation.revocation.body.federation = "other"


def founding(entry: log_pb2.LogEntry) -> None:
    entry.revocation.revocation.body.founding = bytes(32)


def serial(entry: log_pb2.LogEntry) -> None:
    entry.revocation.revocation.body.serial = 0


def times(entry: log_pb2.LogEntry) -> None:
    entry.revocation.revocation.body.next_update_ms = 1


@pytest.mark.parametrize(("entry", "sentence"), [
    (revoked("east", 1, [EAST], signer="north"), "that 'east' has not signed"),
    (altered(serial), "that 'east' has not signed"),
    (revoked("analyst", 1), "of 'analyst', who may not issue one"),
    (revoked("holder-1", 1), "of 'holder-1', who may not issue one"),
    (revoked("east", 1, members=["analyst"]), "of what is not for 'east' to take back"),
    (revoked("board", 1, [EAST]), "of what is not for 'board' to take back"),
    (revoked("east", 1, [EAST, bytes(32)]), "whose entries are out of order"),
    (revoked("east", 1, analysts=[("b", ""), ("a", "")]), "whose entries are out of order"),
    (revoked("board", 1, members=["a", "a"]), "whose entries are out of order"),
    (altered(federation, "east"), "of another federation"),
    (altered(founding, "east"), "of another federation of this name"),
    (altered(serial, "east"), "without a serial"),
    (altered(times, "east"), "without a serial or times"),
    (revoked("east", 1, sorted(at.to_bytes(32, "big") for at in range(1001))), "of more than 1000 entries"),
])
def test_a_false_list_takes_nothing_back(entry: log_pb2.LogEntry, sentence: str) -> None:
    log = answered(shown(*NODES).add(entry))
    [finding] = log.audited.findings
    assert (finding.index, finding.refusal) == (4, Refusal.CREDENTIALS) and sentence in finding.sentence


@pytest.mark.parametrize("number", [1, 2])
def test_a_list_has_a_higher_serial_than_the_one_before(number: int) -> None:
    log = answered(shown(*NODES).add(revoked("east", 2), revoked("east", number, [EAST])))
    [finding] = log.audited.findings
    assert finding.index == 5 and f"serial {number} is not above 2" in finding.sentence


@pytest.mark.parametrize("entry", [granted("analyst"), granted("east", "bob"), granted("east", "north")])
def test_a_grant_is_between_members(entry: log_pb2.LogEntry) -> None:
    assert complaint(Log().add(entry))[:2] == (BEGUN, Refusal.CREDENTIALS)


def test_a_grant_has_a_digest() -> None:
    entry = granted("east")
    entry.grant.grant = B[:31]
    with pytest.raises(Refused, match="entry 4 names no grant"):
        assert Log().add(entry).audited


def test_the_first_entry_of_a_grant_counts() -> None:
    again = granted("east", "bob")
    again.grant.grant = EAST
    log = answered(shown().add(again, *(granted(node) for node in NODES)))
    assert [f.refusal for f in log.audited.findings][-1] is Refusal.NOT_ALLOWED
