"""What a log says cannot be changed unseen, though every witness signed it: each field is tried in turn.

But for what no log can tell: digests of messages that it does not hold, words, and what grants allow.
"""

from collections.abc import Iterator

from cotally.v1 import log_pb2
from cotally.v1.refusals import Refused
from tests.unit.client.audit.planting import Entries, entries, verified, written
from tests.unit.client.verify.test_every_field import changed, label, leaves, walk

SIZE = 64  # holds every kind of entry about rounds
UNSEEN = {
    "announcement.round",  # as if a coordinator had stopped before it logged the announcement of the round
    "roster.frozen", "transcript.transcript", "release.release", "replay.envelope",  # which bundles show
    "replay.granted_pico_loss",  # the first transcript states none; key holders compare it with the grants
    "grant.not_after_ms",  # a little later
    "dead.reason",
}


def altered(made: Entries) -> Iterator[tuple[str, Entries]]:
    """The first entry of each kind, changed in one field."""
    places = {entry.WhichOneof("leaf"): at for at, entry in reversed(list(enumerate(made)))}
    for at in places.values():
        for path in leaves(made[at]):
            entry = log_pb2.LogEntry()
            entry.CopyFrom(made[at])
            parent, (name, place) = walk(entry, path[:-1]), path[-1]
            value = getattr(parent, name) if place is None else getattr(parent, name)[place]
            if value == "":  # any purpose
                continue
            if place is None:
                setattr(parent, name, changed(value))
            else:
                getattr(parent, name)[place] = changed(value)
            yield label(path), [*made[:at], entry, *made[at + 1:]]


def test_no_field_of_a_log_is_changed_unseen() -> None:
    made = entries(SIZE)
    assert not verified(written(made)).findings
    tried, unseen = 0, set()
    for name, log in altered(made):
        tried += 1
        try:
            verified(written(log)).check()
        except Refused:
            continue
        unseen.add(name)
    assert tried > 60 and unseen == UNSEEN
