"""A federation whose folders all lie on this machine: checked whole, then changed whole or not at all."""

import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cotally.server.crypto import sharefile, threshold
from cotally.server.crypto.signing import SigningKey
from cotally.server.keyholder.main import passphrase
from cotally.server.keyholder.shares import place
from cotally.server.settings import config, party
from cotally.server.settings.config import Common, KeyHolderConfig
from cotally.server.wire import charter as charters
from cotally.server.wire.federation import Federation
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured

from . import folders
from .ceremony import member_folder
from .charter import approve, with_approvals
from .succession import check_none_under_way, in_force

WAIT_S: Final = 90.0  # for a running coordinator: its patience with its members, and some
TELL_S: Final = 10.0
POLL_S: Final = 0.2
UNCHANGED: Final = "nothing has changed; run it again"


@dataclass(frozen=True, slots=True)
class Together:
    """All members of one federation, and what opens the shares of its key holders."""

    coordinator: Common
    federation: Federation
    nodes: Sequence[Common]
    holders: Sequence[KeyHolderConfig]  # by their shares
    passphrases: dict[str, bytes] = field(repr=False)  # by key holder

    def approve(self, charter: roster_pb2.Charter) -> roster_pb2.Charter:
        """*charter* with every department's approval."""
        return with_approvals(charter, [
            approve(charter.roster, node.name, SigningKey.load(node.signing_key)) for node in self.nodes])


def load(root: Path) -> Together:
    """Everybody under *root*, none of them being succeeded; every key and share opens, or Misconfigured."""
    path = _config(root, "coordinator", "coordinator")
    check_none_under_way(path)
    coordinator = config.coordinator(path).common
    federation = in_force(coordinator)
    nodes = [config.node(_config(root, "node", member.name)).common
             for member in federation.members(roster_pb2.ROLE_NODE)]
    members = sorted(federation.members(roster_pb2.ROLE_KEY_HOLDER), key=lambda member: member.share)
    holders = [config.keyholder(_config(root, "keyholder", member.name)) for member in members]
    for common, role in [*((node, roster_pb2.ROLE_NODE) for node in nodes),
                         *((holder.common, roster_pb2.ROLE_KEY_HOLDER) for holder in holders)]:
        if SigningKey.load(common.signing_key).public != federation.member(common.name, role).signing_key:
            raise Misconfigured(f"{common.signing_key}: the roster gives {common.name} another signing key")
    passphrases = {}
    for holder in holders:
        secret = passphrases[holder.common.name] = passphrase(holder)
        lies = place(holder.share, federation.key)
        threshold.check_share(federation.key, sharefile.read(lies, secret, federation.share_binding))
    return Together(coordinator, federation, nodes, holders, passphrases)


def _config(root: Path, role: str, name: str) -> Path:
    path = member_folder(root, role, name) / folders.CONFIG[role]
    if not path.exists():
        culprit = path if path.parent.is_dir() else path.parent
        raise Misconfigured(f"{culprit} is missing; name a folder that `cotally federation init` or `cotally "
                            "sandbox --dir` filled, with every member in it")
    return path


@contextmanager
def all_or_nothing(shares: Sequence[Path], done: Path) -> Iterator[None]:
    """Remove the shares that the block lays beside *shares* if it ends before the file *done* is there."""
    before = set(_beside(shares))
    try:
        yield
    except BaseException as reason:
        if done.exists():
            raise
        for path in set(_beside(shares)) - before:
            path.unlink(missing_ok=True)
        if isinstance(reason, Misconfigured):
            raise Misconfigured(f"{reason.message}; {UNCHANGED}") from None
        print(UNCHANGED, file=sys.stderr)
        raise


def _beside(shares: Sequence[Path]) -> Iterator[Path]:
    for share in shares:
        if share.parent.is_dir():
            yield from (path for path in share.parent.iterdir() if path.name.startswith(f"{share.name}."))


def await_switch(coordinator: Common, charter: roster_pb2.Charter) -> tuple[bool, str]:
    """Whether *charter* came into force, as far as a coordinator on this machine tells, and a sentence."""
    epoch, roster = charter.roster.epoch, digest("roster", charter.roster)
    if not _runs(coordinator):
        return False, f"No coordinator runs here: epoch {epoch} takes effect when the coordinator starts."
    began = told = time.monotonic()
    while time.monotonic() < began + WAIT_S:
        if charters.fingerprint(party.charter_of(coordinator)) == roster:
            return True, f"Epoch {epoch} is in force."
        if not _runs(coordinator):
            return False, f"The coordinator has stopped: epoch {epoch} takes effect when it starts."
        if time.monotonic() > told + TELL_S:
            told = time.monotonic()
            print(f"  waiting for the coordinator to switch to epoch {epoch}: {told - began:.0f} s",
                  file=sys.stderr)
        time.sleep(POLL_S)
    return False, (f"Epoch {epoch} is not in force after {WAIT_S:.0f} s; the coordinator tries on. Its log "
                   "has successor_refused, or ready_for_successor for each member that is ready.")


def _runs(coordinator: Common) -> bool:
    """True where a process holds the coordinator's state folder."""
    try:
        with (coordinator.state / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
