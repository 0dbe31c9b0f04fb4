"""A role's own identity, loaded from the files that its configuration names."""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cotally.server.crypto.signing import SigningKey
from cotally.server.wire import charter
from cotally.server.wire.federation import Federation
from cotally.v1 import roster_pb2
from cotally.v1.refusals import Misconfigured, Refused

from .config import Common


@dataclass(frozen=True, slots=True)
class Party:
    """The federation that a role pins, and the role's own place in it."""

    federation: Federation
    member: roster_pb2.Member
    signing: SigningKey
    state: Path
    lock: int  # descriptor that holds the state folder for this process, for as long as it lives

    def ready(self, say: Callable[[], None]) -> None:
        """Tell whoever started us that we serve, once: `state/ready` holds our process id."""
        path = self.state / "ready"
        if not path.exists():
            write(path, str(os.getpid()))
            say()


def load(common: Common, role: "roster_pb2.Role.ValueType") -> Party:
    """Load and check charter and signing key; Misconfigured names the file to mend."""
    federation = charter.load(common.charter, common.roster)
    try:
        member = federation.member(common.name, role)
    except Refused as reason:
        raise Misconfigured(f"{common.path}: name: {reason}") from None
    signing = SigningKey.load(common.signing_key)
    if signing.public != member.signing_key:
        raise Misconfigured(f"{common.signing_key}: the roster gives {common.name} another signing key")
    common.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _hold(common.state)
    (common.state / "ready").unlink(missing_ok=True)
    return Party(federation, member, signing, common.state, lock)


def _hold(state: Path) -> int:
    """Take the state folder for this process alone; two processes on one ledger would each spend it."""
    lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise Misconfigured(f"{state} is in use by another process; stop that one first") from None
    return lock


def write(path: Path, text: str) -> None:
    """Write a small file so that nobody ever sees half of it."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    draft.replace(path)
