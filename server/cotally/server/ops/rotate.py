"""`cotally federation rotate`: a new key from the dealer, in place of the one in force.

    rotate-deal -> approve -> succeed
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cotally.server.crypto import ceremony, sharefile
from cotally.server.keyholder.main import passphrase
from cotally.server.keyholder.shares import beside
from cotally.server.settings import config
from cotally.server.wire import keys as wire_keys
from cotally.server.wire import succession
from cotally.server.wire.federation import Federation
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured

from . import passphrases
from .said import add_output, say
from .succession import SUCCESSOR, approve_here, deliver, here, in_force, offer

Progress = Callable[[str], None]
Place = Callable[[str, bytes], Path]  # of a key holder's new share, by name and binding
_STEPS: Final = """\
In a federation of several organisations the dealer runs this away from the coordinator, as at the founding:

    cotally federation rotate-deal node.toml EXCHANGE --passphrase-file passphrases

Every key holder gets its keyholder-N.share.* from EXCHANGE and lays it beside its old share; every department
approves EXCHANGE/successor.bin; the coordinator's operator finishes it:

    cotally federation approve EXCHANGE/successor.bin --name tax --signing-key tax-signing.key --roster HEX
    cotally federation succeed coordinator.toml EXCHANGE"""


class RotateCommand:
    """`cotally federation rotate`."""

    name = "rotate"
    help = "give a federation whose folders lie on this machine a new key"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """DIR."""
        parser.add_argument("dir", type=Path, metavar="DIR",
                            help="as filled by `cotally federation init` or `cotally sandbox --dir`")
        add_output(parser)
        parser.epilog = ("A new modulus and new shares, of the same size and threshold. Running roles\n"
                         "switch by themselves; questions wait for a moment, and old releases verify.\n\n"
                         + _STEPS)

    def run(self, args: argparse.Namespace) -> int:
        """Deal, approve in all departments' names, deliver."""
        coordinator, holders = here(args.dir)
        by_name = {holder.common.name: holder for holder in holders}
        federation = in_force(config.coordinator(coordinator).common)
        key = deal(federation, {name: passphrase(holder) for name, holder in by_name.items()},
                   lambda name, binding: beside(by_name[name].share, binding), _progress)
        charter = approve_here(args.dir, succession.succeed(federation.charter, key))
        place = deliver(config.coordinator(coordinator).common, charter)
        say(args.output, {"successor": str(place), "epoch": charter.roster.epoch, "key_epoch": key.epoch}, [
            f"Key epoch {key.epoch} is dealt; the coordinator switches to {place} as soon as its members are "
            "ready."])
        return 0


class RotateDealCommand:
    """`cotally federation rotate-deal`."""

    name = "rotate-deal"
    help = "rotation, first: the dealer deals a new key, for departments to approve"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """CONFIG, EXCHANGE and passphrases."""
        parser.add_argument("config", type=Path, metavar="NODE.toml",
                            help="any department's configuration: names the charter in force")
        parser.add_argument("exchange", type=Path, metavar="EXCHANGE", help="folder to write into")
        parser.add_argument("--passphrase-file", type=Path, metavar="FILE",
                            help="one line per key holder, or one line for all; asked for where absent")
        add_output(parser)
        parser.epilog = ("The dealer knows the whole new key while it runs: run it on a machine that is\n"
                         "wiped afterwards, with the passphrases that the key holders use now.\n\n" + _STEPS)

    def run(self, args: argparse.Namespace) -> int:
        """Deal into the exchange; print the fingerprint to tell to the departments."""
        federation = in_force(config.node(args.config).common)
        names = holders_in_order(federation)
        secrets = passphrases.read(args.passphrase_file, names)
        key = deal(federation, dict(zip(names, secrets, strict=True)),
                   lambda name, binding: beside(args.exchange / f"{name}.share", binding), _progress)
        charter = offer(args.exchange, federation, key)
        roster = digest("roster", charter.roster).hex()
        say(args.output, {"successor": str(args.exchange / SUCCESSOR), "epoch": charter.roster.epoch,
                          "key_epoch": key.epoch, "roster": roster}, [
            f"Every department approves {args.exchange / SUCCESSOR}, whose fingerprint is {roster}",
            "Every key holder lays its own new share beside its old one."])
        return 0


def holders_in_order(federation: Federation) -> Sequence[str]:
    """The key holders' names, by their shares."""
    return [m.name for m in sorted(federation.members(roster_pb2.ROLE_KEY_HOLDER), key=lambda m: m.share)]


def deal(federation: Federation, secrets: dict[str, bytes], place: Place,
         progress: Progress) -> roster_pb2.PublicKey:
    """Deal the key of the next epoch, of the size in force; seal every share into its *place*."""
    old = federation.key
    dealt = ceremony.deal(old.bits, old.key_holders, old.threshold, old.epoch + 1, progress)
    binding = wire_keys.share_binding(dealt.public)
    for name, share in zip(holders_in_order(federation), dealt.shares, strict=True):
        path = place(name, binding)
        if not path.parent.is_dir():
            raise Misconfigured(f"{path.parent}: there is no such folder")
        sharefile.write(path, share, binding, secrets[name])
    return wire_keys.to_message(dealt.public, dealt.wellformed, dealt.trial)


def _progress(line: str) -> None:
    print(f"  {line}", file=sys.stderr)
