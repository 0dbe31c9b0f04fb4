"""Puts an approved budget policy into the log: it lies beside coordinator.toml as `policy.bin`.

Nobody takes the coordinator's word: whoever folds the log checks number, chain and every department's
approval. The policy in force is kept in the state folder, for whoever proposes the next one.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from cotally.server.audit.follower import Follower
from cotally.server.audit.log import AuditLog
from cotally.server.audit.policies import check_policy
from cotally.server.rpc.logs import Log
from cotally.v1 import log_pb2
from cotally.v1.refusals import Refused

from .in_force import InForce
from .witnessing import Witnessing

POLICY: Final = "policy.bin"
POLL_S: Final = 0.5


class Policies:
    """Watches *inbox* for an approved policy; *keep* stores the one that was logged."""

    def __init__(self, in_force: InForce, inbox: Path, follower: Follower, witnessing: Witnessing,
                 audit: AuditLog, log: Log, keep: Callable[[bytes], None]) -> None:
        self._in_force = in_force
        self._inbox = inbox
        self._follower = follower
        self._witnessing = witnessing
        self._audit = audit
        self._log = log
        self._keep = keep
        self._refused: bytes | None = None  # content of the inbox that was judged, and is no policy

    async def run(self) -> None:
        """Watch, for ever."""
        while True:
            try:
                self.look()
            except Exception as error:  # what nobody foresaw must not end the coordinator's policies
                self._log.exception("policy_failed", error)
            await asyncio.sleep(POLL_S)

    def look(self) -> None:
        """Log what lies in the inbox, if it follows the policy in force and everybody approved it."""
        try:
            data = self._inbox.read_bytes()
        except OSError:
            return
        if data == self._refused:
            return
        self._witnessing.follow()
        try:
            leaf = log_pb2.PolicyLeaf.FromString(data)
            if leaf.policy != self._follower.policy:  # else a stop came between the log and this
                check_policy(self._in_force.federation.first, self._follower.policy, leaf)
                self._audit.append(log_pb2.LogEntry(policy=leaf))
                self._witnessing.follow()
        except (Refused, DecodeError) as reason:
            self._refused = data
            message = reason.message if isinstance(reason, Refused) else f"{self._inbox} is damaged"
            self._log.warning("policy_refused", message=message)
            return
        self._keep(data)
        self._inbox.unlink()
        self._log.event("policy", message=f"number {leaf.policy.number}")
        self._witnessing.spread()
