"""A peer may be at a roster that ours succeeds, and at no other."""

import pytest

from cotally.server.rpc.hello import check_hello, make_hello
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused


def charters() -> tuple[roster_pb2.Charter, roster_pb2.Charter]:
    """Two of one chain."""
    member = roster_pb2.Member(name="tax", role=roster_pb2.ROLE_NODE)
    before = roster_pb2.Charter(roster=roster_pb2.Roster(federation="f", epoch=1, members=[member]))
    after = roster_pb2.Charter(
        roster=roster_pb2.Roster(federation="f", epoch=2, members=[member],
                                 previous=digest("roster", before.roster)),
        lineage=[roster_pb2.Succession(roster=before.roster)])
    return before, after


def test_who_is_behind_is_heard_and_who_is_elsewhere_is_not() -> None:
    before, after = charters()
    [tax] = before.roster.members
    check_hello(make_hello(before, "tax"), before, tax)
    check_hello(make_hello(before, "tax"), after, tax)
    check_hello(make_hello(after, "tax"), after, tax)
    stranger = make_hello(after, "tax")
    stranger.roster = b"s" * 32
    for hello, ours in ((stranger, after), (make_hello(after, "tax"), before)):  # ahead of us, too
        with pytest.raises(Refused, match="old charter") as refused:
            check_hello(hello, ours, tax)
        assert refused.value.refusal is Refusal.CREDENTIALS
