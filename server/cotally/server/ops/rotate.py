"""`cotally federation rotate`: a new key from the dealer, in place of the one in force.

    rotate-deal -> approve -> succeed
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cotally.server.crypto import ceremony, sharefile
from cotally.server.crypto.keys import PublicKey
from cotally.server.keyholder.shares import beside
from cotally.server.settings import config
from cotally.server.wire import keys as wire_keys
from cotally.server.wire import succession
from cotally.server.wire.federation import Federation
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured

from . import folders, passphrases, together
from .said import add_output, say
from .succession import SUCCESSOR, check_folder, deliver, in_force, offer

Progress = Callable[[str], None]
Place = Callable[[str, PublicKey], Path]  # of a key holder's new share, by name and key
_STEPS: Final = """\
In a federation of several organisations the dealer runs this away from the coordinator, as at the founding:

    cotally federation rotate-deal node.toml EXCHANGE --passphrase-file passphrases

GIVE EACH KEY HOLDER ONLY ITS OWN FILE, EXCHANGE/for-keyholder-N/keyholder-N.share.*, and nobody else: whoever
has t of them and guesses their passphrases has the key. The holder lays it beside its old share. Everybody
gets EXCHANGE/successor.bin; every department approves it, and the coordinator's operator finishes it:

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
        members = together.load(args.dir)
        shares = {holder.common.name: holder.share for holder in members.holders}
        place = members.coordinator.path.parent / SUCCESSOR
        with together.all_or_nothing(list(shares.values()), place):
            key = deal(members.federation, members.passphrases,
                       lambda name, public: beside(shares[name], public), _progress)
            charter = members.approve(succession.succeed(members.federation.charter, key))
            deliver(members.coordinator, charter)
        switched, outlook = together.await_switch(members.coordinator, charter)
        say(args.output, {"successor": str(place), "epoch": charter.roster.epoch, "key_epoch": key.epoch,
                          "in_force": switched}, [f"Key epoch {key.epoch} is dealt. {outlook}"])
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
        check_folder(args.exchange)
        if (args.exchange / SUCCESSOR).exists():
            raise Misconfigured(f"{args.exchange / SUCCESSOR} is there already; take a folder of its own for "
                                "each rotation")
        names = holders_in_order(federation)
        secrets = passphrases.read(args.passphrase_file, names)
        shares = {name: args.exchange / f"for-{name}" / f"{name}.share" for name in names}
        with together.all_or_nothing(list(shares.values()), args.exchange / SUCCESSOR):
            for share in shares.values():
                if not share.parent.is_dir():
                    folders.make_folder(share.parent)
            key = deal(federation, dict(zip(names, secrets, strict=True)),
                       lambda name, public: beside(shares[name], public), _progress)
            charter = offer(args.exchange, federation, key)
        roster = digest("roster", charter.roster).hex()
        say(args.output, {"successor": str(args.exchange / SUCCESSOR), "epoch": charter.roster.epoch,
                          "key_epoch": key.epoch, "roster": roster}, [
            f"Every department approves {args.exchange / SUCCESSOR}, whose fingerprint is {roster}",
            "GIVE EACH KEY HOLDER ONLY ITS OWN FILE, and pass on to everybody else only the successor:",
            *(f"  {name}: {args.exchange / f'for-{name}'}" for name in names),
            "Each lays it beside its old share. Then wipe this machine."])
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
        sharefile.write(place(name, dealt.public), share, binding, secrets[name])
    return wire_keys.to_message(dealt.public, dealt.wellformed, dealt.trial)


def _progress(line: str) -> None:
    print(f"  {line}", file=sys.stderr)
