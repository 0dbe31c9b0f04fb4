"""However a round's end is told, server and auditor agree: what was released is never given back."""

from itertools import permutations

import pytest

from cotally.server.audit.follower import Follower
from cotally.v1 import log_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.long_log import POPULATION, PRICE, voided
from tests.unit.client.audit.growing import A, Log
from tests.unit.client.audit.planting import long_log

TOLD = ("transcript", "release", "dead", "void")


def history(*kinds: str) -> Log:
    """A round, announced and frozen, of which this is told, in this order."""
    log = Log().round(A)
    leaves = {"transcript": log.entries.pop(), "void": voided(A),
              "release": log_pb2.LogEntry(release=log_pb2.ReleaseLeaf(round=A)),
              "dead": log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=A))}
    return log.add(*(leaves[kind] for kind in kinds))


HISTORIES = [kinds for length in range(len(TOLD) + 1) for kinds in permutations(TOLD, length)]


def before(kinds: tuple[str, ...], first: str, second: str) -> bool:
    """Whether both were told, in this order."""
    return {first, second} <= {*kinds} and kinds.index(first) < kinds.index(second)


@pytest.mark.parametrize("kinds", HISTORIES, ids=" ".join)
@pytest.mark.parametrize("batch", [1, 9])
def test_server_and_auditor_agree_on_every_history(kinds: tuple[str, ...], batch: int) -> None:
    log, follower = history(*kinds), Follower(long_log(1).charter)
    findings = {finding.index for finding in log.audited.findings}
    spent = sum(a.cumulative for a in log.audited.accounts if a.kind == "population")
    closed = before(kinds, "void", "transcript") and not before(kinds, "release", "void")
    admitted = "transcript" in kinds and not closed
    both = {"release", "void"} <= {*kinds}
    assert spent == PRICE * (admitted and ("void" not in kinds or both))
    if not both:
        follower.fold(log.entries)
        assert follower.spent(POPULATION) == spent
        return
    at = len(log.entries) - len(kinds) + max(kinds.index("release"), kinds.index("void"))
    assert at in findings
    with pytest.raises(Refused, match=f"entry {at} is the") as caught:
        for first in range(0, len(log.entries), batch):
            follower.fold(log.entries[first:first + batch])
    assert caught.value.refusal is Refusal.EQUIVOCATION
    if batch == 1 and before(kinds, "release", "void"):
        assert follower.spent(POPULATION) == PRICE * before(kinds, "transcript", "void")
        assert not follower.is_void(A)
