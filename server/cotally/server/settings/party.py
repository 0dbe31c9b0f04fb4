"""A role's own identity, loaded from the files that its configuration names."""

import atexit
import fcntl
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cotally.server.crypto.signing import SigningKey
from cotally.server.wire import charter
from cotally.server.wire.federation import Federation
from cotally.v1 import roster_pb2
from cotally.v1.refusals import Misconfigured, Refused

from .config import Common

SUCCESSOR: Final = "successor.bin"  # a charter that may come into force
CHARTER: Final = "in-force.bin"  # in the state folder: the charter that came into force after the pinned one


@dataclass(frozen=True, slots=True)
class Party:
    """The federation that a role pins, and the role's own place in it."""

    federation: Federation
    member: roster_pb2.Member
    signing: SigningKey
    state: Path
    lock: int  # descriptor that holds the state folder for this process, for as long as it lives
    pin: bytes  # the fingerprint that the configuration names

    def ready(self, say: Callable[[], None]) -> None:
        """Tell whoever started us that we serve, once: `state/ready` holds our process id."""
        path = self.state / "ready"
        if not path.exists():
            gc.collect()
            gc.freeze()  # modules and tables live as long as we do: no collection in a round walks them again
            atexit.register(gc.unfreeze)  # or what they hold outlives the interpreter, and DuckDB complains
            write(path, str(os.getpid()))
            say()

    def keep(self, charter: roster_pb2.Charter) -> None:
        """Store a successor durably, before anybody learns that we are ready for it."""
        draft = self.state / f".{SUCCESSOR}"
        with draft.open("wb") as file:
            file.write(charter.SerializeToString(deterministic=True))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.state / SUCCESSOR)

    def adopt(self, charter: roster_pb2.Charter) -> None:
        """The log put *charter* in force, whatever was stored since: the next start begins with it."""
        self.keep(charter)
        (self.state / SUCCESSOR).replace(self.state / CHARTER)

    def in_force(self, roster: bytes) -> Federation:
        """The federation that our log, in which *roster* is in force, makes us work under.

        The stored successor where a stop came between the log and `adopt`; else the charter that we
        began with. A coordinator that is further tells us so.
        """
        if roster == self.federation.roster:
            return self.federation
        stored = self.state / SUCCESSOR
        if stored.exists() and charter.fingerprint(stored) == roster:
            successor = charter.load(stored, self.pin)
            self.adopt(successor.charter)
            return successor
        return self.federation


def federation(common: Common) -> Federation:
    """The federation under the charter that came into force last here; at first, the pinned one."""
    return charter.load(charter_of(common), common.roster)


def charter_of(common: Common) -> Path:
    """Where that charter lies."""
    adopted = common.state / CHARTER
    return adopted if adopted.exists() else common.charter


def load(common: Common, role: "roster_pb2.Role.ValueType") -> Party:
    """Load and check charter and signing key; Misconfigured names the file to mend."""
    in_force = federation(common)
    try:
        member = in_force.member(common.name, role)
    except Refused as reason:
        raise Misconfigured(f"{common.path}: name: {reason}") from None
    signing = SigningKey.load(common.signing_key)
    if signing.public != member.signing_key:
        raise Misconfigured(f"{common.signing_key}: the roster gives {common.name} another signing key")
    common.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _hold(common.state)
    (common.state / "ready").unlink(missing_ok=True)
    return Party(in_force, member, signing, common.state, lock, common.roster)


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
