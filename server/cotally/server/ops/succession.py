"""What refresh and rotation have in common: the charter in force, approvals, and the successor's delivery.

Files travel in one folder, the *exchange*, that the members pass around or copy to each other. Everything in
it is signed or sealed, and nobody but its holder gets a share that a dealer sealed into it.
"""

import argparse
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from google.protobuf.message import DecodeError

from cotally.server.settings import config, party
from cotally.server.settings.config import Common
from cotally.server.wire import succession
from cotally.server.wire.federation import Federation
from cotally.v1 import refresh_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured, Refused

from .charter import missing_approvals, read_approval, read_charter, with_approvals
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
    roster, before = charter.roster, federation.charter.roster
    if roster.previous != federation.roster and roster != before:
        raise Misconfigured(f"{coordinator.path}: the successor of epoch {roster.epoch} follows epoch "
                            f"{roster.epoch - 1}; epoch {before.epoch} is in force here; start anew")
    with blaming(coordinator.path):
        succession.check_successor(federation, charter)
    replace(place, charter.SerializeToString(deterministic=True))
    return place


def check_none_under_way(coordinator: Path) -> None:
    """Raise Misconfigured while a successor waits beside this coordinator's configuration."""
    if (coordinator.parent / SUCCESSOR).exists():
        raise Misconfigured(f"{coordinator.parent / SUCCESSOR}: another succession is under way; it ends "
                            "when the coordinator runs and its members are ready")


def check_folder(exchange: Path) -> None:
    """Raise Misconfigured unless *exchange* is a folder."""
    if not exchange.is_dir():
        raise Misconfigured(f"{exchange}: there is no such folder; make it first")


@contextmanager
def blaming(place: Path) -> Iterator[None]:
    """Turn what the block refuses into a Misconfigured that names *place*."""
    try:
        yield
    except Refused as reason:
        raise Misconfigured(f"{place}: {reason.message}") from None


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


Read = TypeVar("Read", refresh_pb2.RefreshOffer, refresh_pb2.RefreshDeal, refresh_pb2.RefreshProof)


def read_all(paths: Iterable[Path], kind: type[Read]) -> list[Read]:
    """The messages in these files; Misconfigured names one that cannot be read."""
    found = []
    for path in paths:
        try:
            message = kind.FromString(path.read_bytes())
            if not message.HasField("body"):  # an empty file is an empty message
                raise DecodeError
            found.append(message)
        except OSError as reason:
            raise Misconfigured(f"{path}: cannot be read: {reason.strerror}") from None
        except DecodeError:
            raise Misconfigured(f"{path}: this is not a {path.suffix[1:]}, or it is damaged") from None
    return found
