"""`cotally federation refresh`: new shares of the same key, dealt by the key holders to each other.

    refresh-offer -> refresh-deal -> refresh-add -> refresh-gather -> approve -> succeed

The first three are one command each at every key holder, the fourth is anybody's, over the files in
an exchange folder; `refresh DIR` walks the whole way where every member's folder lies on this machine.
"""

import argparse
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cotally.server.crypto import sharefile
from cotally.server.crypto.sealing import RecipientKey
from cotally.server.crypto.signing import SigningKey
from cotally.server.keyholder.main import passphrase
from cotally.server.keyholder.shares import beside, place
from cotally.server.settings import config
from cotally.server.settings.config import Common, KeyHolderConfig
from cotally.server.wire import keys as wire_keys
from cotally.server.wire import refresh
from cotally.server.wire.federation import Federation
from cotally.v1 import refresh_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from . import together
from .said import add_output, say
from .succession import SUCCESSOR, blaming, check_folder, deliver, in_force, offer, read_all, replace

_RECIPIENT: Final = "refresh.key"  # in a key holder's state folder, from its offer until it has added
_STEPS: Final = """\
Key holders in several organisations refresh by exchanging files in one folder, EXCHANGE; nothing in it is
secret. Each runs, and passes the folder on or copies the new files to the others:

    cotally federation refresh-offer keyholder.toml EXCHANGE
    cotally federation refresh-deal keyholder.toml EXCHANGE      when all offers are there
    cotally federation refresh-add keyholder.toml EXCHANGE       when all deals are there
    cotally federation refresh-gather keyholder.toml EXCHANGE    once, when all proofs are there

Then every department approves EXCHANGE/successor.bin, and the coordinator's operator finishes it:

    cotally federation approve EXCHANGE/successor.bin --name tax --signing-key tax-signing.key --roster HEX
    cotally federation succeed coordinator.toml EXCHANGE"""


class RefreshCommand:
    """`cotally federation refresh`."""

    name = "refresh"
    help = "refresh the key shares of a federation whose folders lie on this machine"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """DIR."""
        parser.add_argument("dir", type=Path, metavar="DIR",
                            help="as filled by `cotally federation init` or `cotally sandbox --dir`")
        add_output(parser)
        parser.epilog = ("New shares of the same key: shares stolen before are worth nothing beside those\n"
                         "stolen after. Running roles switch by themselves; questions wait for a moment.\n\n"
                         + _STEPS)

    def run(self, args: argparse.Namespace) -> int:
        """All steps in all members' names."""
        members = together.load(args.dir)
        for common in (holder.common for holder in members.holders):
            before = in_force(common)
            if before.roster != members.federation.roster:
                raise Misconfigured(f"{common.path}: {common.name} works under epoch "
                                    f"{before.charter.roster.epoch} yet; run it, so that it catches up")
        place_ = members.coordinator.path.parent / SUCCESSOR
        with together.all_or_nothing([holder.share for holder in members.holders], place_):
            charter = members.approve(_exchanged(args.dir, members))
            deliver(members.coordinator, charter)
        switched, outlook = together.await_switch(members.coordinator, charter)
        say(args.output, {"successor": str(place_), "epoch": charter.roster.epoch,
                          "refreshes": charter.public_key.refreshes, "in_force": switched}, [
            f"Every key share is refreshed ({charter.public_key.refreshes} by now). {outlook}"])
        return 0


def _exchanged(root: Path, members: together.Together) -> roster_pb2.Charter:
    """The unapproved successor, after all steps of all key holders."""
    with tempfile.TemporaryDirectory() as folder, blaming(root):
        exchange = Path(folder)
        for holder in members.holders:
            write_offer(holder, exchange)
        for holder in members.holders:
            write_deal(holder, exchange)
        for holder in members.holders:
            add(holder, exchange, members.passphrases[holder.common.name])
        return gather(members.holders[0].common, exchange)


class _HolderStep(ABC):
    """One step of one key holder."""

    name: str
    help: str
    epilog: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """CONFIG and EXCHANGE."""
        parser.add_argument("config", type=Path, metavar="KEYHOLDER.toml")
        parser.add_argument("exchange", type=Path, metavar="EXCHANGE", help="folder of the exchanged files")
        add_output(parser)
        parser.epilog = f"{self.epilog}\n\n{_STEPS}"

    def run(self, args: argparse.Namespace) -> int:
        """Do it; say what was written."""
        settings = config.keyholder(args.config)
        check_folder(args.exchange)
        with blaming(args.exchange), _naming_new_offers(args.exchange):
            written = self.step(settings, args.exchange)
        say(args.output, {"written": str(written)}, [f"Pass {written} on to all key holders."])
        return 0

    @abstractmethod
    def step(self, settings: KeyHolderConfig, exchange: Path) -> Path:
        """Write this holder's message into *exchange*."""


class OfferCommand(_HolderStep):
    """`cotally federation refresh-offer`."""

    name = "refresh-offer"
    help = "refresh, first: a key holder says that it takes part"
    epilog = "Makes a key to receive sub-shares under, which stays in state/ until they are added."

    def step(self, settings: KeyHolderConfig, exchange: Path) -> Path:
        """`write_offer`."""
        return write_offer(settings, exchange)


class DealCommand(_HolderStep):
    """`cotally federation refresh-deal`."""

    name = "refresh-deal"
    help = "refresh, second: a key holder deals a sharing of zero to all"
    epilog = "Everybody's sub-share is sealed for its own key; what was drawn is kept nowhere."

    def step(self, settings: KeyHolderConfig, exchange: Path) -> Path:
        """`write_deal`."""
        return write_deal(settings, exchange)


class AddCommand(_HolderStep):
    """`cotally federation refresh-add`."""

    name = "refresh-add"
    help = "refresh, third: a key holder checks all deals and makes its new share"
    epilog = ("The new share is laid beside the old one, under the same passphrase, and takes its place\n"
              "when its charter comes into force. Whoever dealt wrongly is named, and nothing has changed.")

    def step(self, settings: KeyHolderConfig, exchange: Path) -> Path:
        """`add`."""
        return add(settings, exchange, passphrase(settings))


class GatherCommand:
    """`cotally federation refresh-gather`."""

    name = "refresh-gather"
    help = "refresh, fourth: check everybody's proofs and write the successor for departments to approve"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """CONFIG and EXCHANGE."""
        parser.add_argument("config", type=Path, metavar="CONFIG", help="any key holder's keyholder.toml")
        parser.add_argument("exchange", type=Path, metavar="EXCHANGE",
                            help="folder with all offers, deals and proofs")
        add_output(parser)
        parser.epilog = "No secret is needed; whoever doubts the result runs it again.\n\n" + _STEPS

    def run(self, args: argparse.Namespace) -> int:
        """Gather; print the fingerprint to tell to the departments."""
        with blaming(args.exchange), _naming_new_offers(args.exchange):
            charter = gather(config.keyholder(args.config).common, args.exchange)
        roster = digest("roster", charter.roster).hex()
        say(args.output, {"successor": str(args.exchange / SUCCESSOR), "epoch": charter.roster.epoch,
                          "roster": roster}, [
            f"Every department approves {args.exchange / SUCCESSOR}, whose fingerprint is {roster}"])
        return 0


def write_offer(settings: KeyHolderConfig, exchange: Path) -> Path:
    """Make a fresh recipient key and write the offer that names it; drop an unfinished former refresh."""
    federation, signer = _standing(settings)
    recipient = RecipientKey.generate()
    offered = refresh.offer(federation, settings.common.name, signer, recipient)
    private = settings.common.state / _RECIPIENT
    private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private.unlink(missing_ok=True)
    recipient.save(private)
    return _write(exchange, settings, "refresh-offer", offered)


def write_deal(settings: KeyHolderConfig, exchange: Path) -> Path:
    """Answer everybody's offers with a sharing of zero."""
    federation, signer = _standing(settings)
    dealt = refresh.deal(federation, settings.common.name, signer, _offers(exchange))
    return _write(exchange, settings, "refresh-deal", dealt)


def add(settings: KeyHolderConfig, exchange: Path, secret: bytes) -> Path:
    """Add everybody's deals to the share; lay the new one beside it, and write the proof."""
    federation, signer = _standing(settings)
    name = settings.common.name
    private = settings.common.state / _RECIPIENT
    if not private.exists():
        raise Misconfigured(f"{private} is missing: {name} made no offer here, or has added already")
    share = sharefile.read(place(settings.share, federation.key), secret, federation.share_binding)
    deals = _deals(exchange)
    public, refreshed = refresh.add(federation, name, share, RecipientKey.load(private),
                                    _offers(exchange), deals)
    binding = wire_keys.share_binding(public)
    sharefile.write(beside(settings.share, public), refreshed, binding, secret)
    written = _write(exchange, settings, "refresh-proof",
                     refresh.prove(federation, name, signer, public, refreshed, deals))
    private.unlink()
    return written


def gather(common: Common, exchange: Path) -> roster_pb2.Charter:
    """Check all proofs and write the successor into *exchange*."""
    federation = in_force(common)
    proofs = read_all(sorted(exchange.glob("*.refresh-proof")), refresh_pb2.RefreshProof)
    key = refresh.gather(federation, _offers(exchange), _deals(exchange), proofs)
    return offer(exchange, federation, key)


@contextmanager
def _naming_new_offers(exchange: Path) -> Iterator[None]:
    """Where messages do not belong together, name the offers that are newer than a deal."""
    try:
        yield
    except Refused as reason:
        dealt = [path.stat().st_mtime_ns for path in exchange.glob("*.refresh-deal")]
        late = [path.stem for path in sorted(exchange.glob("*.refresh-offer"))
                if dealt and path.stat().st_mtime_ns > min(dealt)]
        if reason.refusal is not Refusal.EQUIVOCATION or not late:
            raise
        raise Refused(reason.refusal, f"{reason.message}; the offer of {', '.join(late)} has changed since; "
                                      "everybody deals anew") from None


def _standing(settings: KeyHolderConfig) -> tuple[Federation, SigningKey]:
    return in_force(settings.common), SigningKey.load(settings.common.signing_key)


def _offers(exchange: Path) -> list[refresh_pb2.RefreshOffer]:
    return read_all(sorted(exchange.glob("*.refresh-offer")), refresh_pb2.RefreshOffer)


def _deals(exchange: Path) -> list[refresh_pb2.RefreshDeal]:
    return read_all(sorted(exchange.glob("*.refresh-deal")), refresh_pb2.RefreshDeal)


def _write(exchange: Path, settings: KeyHolderConfig, kind: str,
           message: refresh_pb2.RefreshOffer | refresh_pb2.RefreshDeal | refresh_pb2.RefreshProof) -> Path:
    path = exchange / f"{settings.common.name}.{kind}"
    replace(path, message.SerializeToString(deterministic=True))
    return path
