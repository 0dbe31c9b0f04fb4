"""What refresh and rotation have in common: the charter in force, approvals, and the successor's delivery.

Files travel in one folder, the *exchange*, that the members pass around or copy to each other: nothing
in it is secret, and everything in it is signed or sealed.
"""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from cotally.server.crypto.signing import SigningKey
from cotally.server.settings import config, party
from cotally.server.settings.config import Common, KeyHolderConfig
from cotally.server.wire import succession
from cotally.server.wire.federation import Federation
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured, Refused

from . import folders
from .charter import approve, missing_approvals, read_approval, read_charter, with_approvals
from .said import add_output, say

SUCCESSOR: Final = party.SUCCESSOR
_believed: Final[dict[tuple[bytes, bytes], Federation]] = {}  # by content and pin


def in_force(common: Common) -> Federation:
    """The federation whose charter is in force, as far as the member of this configuration knows.

    Where one command speaks for many members, a charter of the same content under the same pin is
    checked once.
    """
    path = party.charter_of(common)
    key = path.read_bytes() if path.exists() else b"", common.roster
    if key not in _believed:
        _believed[key] = party.federation(common)
    return _believed[key]


def offer(exchange: Path, federation: Federation, key: roster_pb2.PublicKey) -> roster_pb2.Charter:
    """Write the successor with the new *key* into *exchange*, for departments to approve; return it."""
    charter = succession.succeed(federation.charter, key)
    replace(exchange / SUCCESSOR, charter.SerializeToString(deterministic=True))
    return charter


def deliver(coordinator: Common, charter: roster_pb2.Charter) -> Path:
    """Check the approved successor and lay it where the coordinator looks; return where that is."""
    federation = in_force(coordinator)
    place = coordinator.path.parent / SUCCESSOR
    if place.exists():
        raise Misconfigured(f"{place}: another succession is under way; is the coordinator running?")
    try:
        succession.check_successor(federation, charter)
    except Refused as reason:
        raise Misconfigured(f"{coordinator.path}: {reason.message}") from None
    replace(place, charter.SerializeToString(deterministic=True))
    return place


def check_none_under_way(coordinator: Path) -> None:
    """Raise Misconfigured while a successor waits beside this coordinator's configuration."""
    if (coordinator.parent / SUCCESSOR).exists():
        raise Misconfigured(f"{coordinator.parent / SUCCESSOR}: another succession is under way; it ends "
                            "when the coordinator runs and its members are ready")


class SucceedCommand:
    """`cotally federation succeed`."""

    name = "succeed"
    help = "hand an approved successor to the coordinator, which switches everybody to it"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """The coordinator's configuration, and the exchange."""
        parser.add_argument("config", type=Path, metavar="COORDINATOR.toml")
        parser.add_argument("exchange", type=Path, metavar="EXCHANGE",
                            help=f"folder that holds {SUCCESSOR} and the departments' *.approval files")
        add_output(parser)
        parser.epilog = ("The last step of a refresh or a rotation. The running coordinator switches as\n"
                         "soon as its members are ready; questions wait for a moment and go on. A pin of\n"
                         "the old roster stays good: no configuration and no profile is edited.")

    def run(self, args: argparse.Namespace) -> int:
        """Check everything, then lay the file."""
        charter = read_charter(args.exchange / SUCCESSOR)
        approvals = [read_approval(path, charter) for path in sorted(args.exchange.glob("*.approval"))]
        charter = with_approvals(charter, approvals)
        if waiting := missing_approvals(charter):
            raise Misconfigured(f"{args.exchange}: still awaited: the approval of {', '.join(waiting)} "
                                f"(cotally federation approve {args.exchange / SUCCESSOR})")
        place = deliver(config.coordinator(args.config).common, charter)
        roster = digest("roster", charter.roster).hex()
        say(args.output, {"successor": str(place), "epoch": charter.roster.epoch, "roster": roster}, [
            f"{place}: the coordinator switches to it as soon as its members are ready.",
            f"Epoch {charter.roster.epoch}, fingerprint {roster}"])
        return 0


def replace(path: Path, data: bytes) -> None:
    """Write *data* to *path* so that nobody ever sees half of it."""
    try:
        draft = path.with_name(f".{path.name}.new")
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as reason:
        raise Misconfigured(f"{path} cannot be written: {reason.strerror}") from None


# A federation whose folders all lie on this machine


def configs(root: Path, role: str) -> list[Path]:
    """The configurations of every member in *role* under a federation's folder, by name."""
    pattern = {"coordinator": "coordinator", "node": "nodes/*", "keyholder": "keyholders/*"}[role]
    found = sorted(root.glob(f"{pattern}/{folders.CONFIG[role]}"))
    if not found:
        raise Misconfigured(f"{root}: there is no {pattern}/{folders.CONFIG[role]} here; name a folder that "
                            "`cotally federation init` or `cotally sandbox --dir` filled")
    return found


def here(root: Path) -> tuple[Path, list[KeyHolderConfig]]:
    """The coordinator's configuration and every key holder's, where none of them is being succeeded."""
    coordinator = configs(root, "coordinator")[0]
    check_none_under_way(coordinator)
    return coordinator, [config.keyholder(path) for path in configs(root, "keyholder")]


def approve_here(root: Path, charter: roster_pb2.Charter) -> roster_pb2.Charter:
    """*charter* with the approval of every department whose folder lies under *root*."""
    approvals = []
    for path in configs(root, "node"):
        common = config.node(path).common
        approvals.append(approve(charter.roster, common.name, SigningKey.load(common.signing_key)))
    return with_approvals(charter, approvals)


Read = TypeVar("Read", bound=Message)


def read_all(paths: Iterable[Path], kind: type[Read]) -> list[Read]:
    """The messages in these files; Misconfigured names one that cannot be read."""
    found = []
    for path in paths:
        try:
            found.append(kind.FromString(path.read_bytes()))
        except OSError as reason:
            raise Misconfigured(f"{path}: cannot be read: {reason.strerror}") from None
        except DecodeError:
            raise Misconfigured(f"{path}: this is not a {path.suffix[1:]}, or it is damaged") from None
    return found
