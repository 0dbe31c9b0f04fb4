"""What a department allows now: its grants, less what revocations have taken back.

Rules:

- A grant counts while it covers the question and no list in force takes it back: our own newest one,
  read from its file or in the log, and the coordinator's in the log.
- Our own list takes effect when it is read. Its serial never goes back, restarts included.
- A list that cannot be read or believed stops everything until it is mended: we cannot know what it says.
- Where our operator states how old a list may be, an older one, or none, stops everything too.
"""

from collections.abc import Sequence

from cotally.server.audit.follower import Follower
from cotally.server.audit.revocations import check_later, check_list, check_standing
from cotally.server.policy.grants import check_grant
from cotally.server.wire.federation import Federation
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.refusals import Refusal, Refused

from .lists import Lists


class Permissions:
    """The rules above. *grants* may be replaced at any time."""

    def __init__(self, federation: Federation, name: str, follower: Follower, lists: Lists,
                 grants: Sequence[query_pb2.SignedGrant] = (), max_age_ms: int | None = None) -> None:
        self.grants = grants
        self._member = federation.member(name, roster_pb2.ROLE_NODE)
        self._first, self._founding = federation.first, federation.founding  # a succession changes no member
        self._coordinator = federation.coordinator().name
        self._follower = follower
        self._lists = lists
        self._max_age_ms = max_age_ms
        self._read = lists.last()
        self._blocked = ""

    @property
    def last(self) -> query_pb2.SignedRevocation | None:
        """Our own list in force: the newer one of what we read and what the log holds."""
        logged = self._follower.revocations.last(self._member.name)
        if self._read is None or (logged is not None and logged.body.serial > self._read.body.serial):
            return logged
        return self._read

    @property
    def unlogged(self) -> query_pb2.SignedRevocation | None:
        """Our own list, if the log that we folded does not hold it yet."""
        return self.last if self.last != self._follower.revocations.last(self._member.name) else None

    def take(self, signed: query_pb2.SignedRevocation) -> None:
        """Let our own next list count, durably; the one in force again changes nothing.

        Raises Refused what `check_list` does, STEPPED_BACK for a lower serial and EQUIVOCATION for another
        list with the same one. Any but STEPPED_BACK blocks.
        """
        try:
            check_list(self._first, signed)
            if signed.body.issuer != self._member.name:
                raise Refused(Refusal.NOT_ALLOWED, f"the revocation list is of {signed.body.issuer}")
            if signed != self.last:
                check_later(self.last, signed)
                self._lists.keep(signed)
                self._read = self._lists.last()
        except Refused as refused:
            if refused.refusal is not Refusal.STEPPED_BACK:
                self.block(refused.message)
            raise
        self._blocked = ""

    def block(self, reason: str) -> None:
        """Allow nothing until a list can be believed again: *reason* is for our operator."""
        self._blocked = reason

    def find(self, envelope: query_pb2.Envelope, now_ms: int) -> query_pb2.SignedGrant:
        """Our grant that covers the question now, or a refusal that names what is missing.

        Raises Refused: NOT_ALLOWED, EXPIRED (grant or list), CREDENTIALS (a revoked member).
        """
        name = self._member.name
        reason = Refused(Refusal.NOT_ALLOWED,
                         f"{name} has granted nothing to {envelope.analyst!r}; ask its officer")
        self._check_age(now_ms)
        for grant in self.grants:
            if grant.body.analyst != envelope.analyst:
                continue
            try:
                check_grant(grant, self._member, self._first.federation, self._founding, envelope, now_ms)
                self.check_standing(grant.body, envelope.purpose)
            except Refused as refused:
                reason = refused
            else:
                return grant
        raise reason

    def check_standing(self, grant: query_pb2.Grant, purpose: str) -> None:
        """Refuse a grant of ours that was taken back since."""
        if self._blocked:
            raise Refused(Refusal.NOT_ALLOWED,
                          f"the revocation list of {self._member.name} cannot be believed; ask its officer")
        check_standing(self.last, grant, purpose)
        check_standing(self._follower.revocations.last(self._coordinator), grant, purpose)

    def _check_age(self, now_ms: int) -> None:
        if self._max_age_ms is None:
            return
        body = self.last.body if self.last is not None else query_pb2.Revocation()
        if now_ms > min(body.next_update_ms, body.issued_ms + self._max_age_ms):
            raise Refused(Refusal.EXPIRED,
                          f"the revocation list of {self._member.name} is missing or stale; its officer "
                          "signs a new one with `cotally node revoke`")
