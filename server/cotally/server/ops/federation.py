"""`cotally federation`: the ceremony of a real federation, and how members join it with their own keys."""

import argparse
import sys
from pathlib import Path
from typing import Final

from cotally.server.crypto.signing import SigningKey
from cotally.server.engines.source import is_url
from cotally.server.rpc.address import parse_address
from cotally.server.wire import charter as charters
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.commands import Group
from cotally.v1.refusals import Misconfigured, Refused

from . import folders, passphrases, policy
from .ceremony import Arrangement, hold, member_folder, member_names
from .charter import approve, department, missing_approvals, read_approval, read_charter, with_approvals
from .enrolment import ROLES, join, read_requests
from .refresh import AddCommand, DealCommand, GatherCommand, OfferCommand, RefreshCommand
from .rotate import RotateCommand, RotateDealCommand
from .said import add_output, say
from .spec import load_spec
from .succession import SucceedCommand

MINIMUM_BITS: Final = 3072  # a sandbox may do with less


class InitCommand:
    """`cotally federation init`."""

    name = "init"
    help = "hold the ceremony: deal the key, certify the members, write one folder for each"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """SPEC and where to."""
        parser.add_argument("spec", type=Path, metavar="SPEC", help="the federation, in the sandbox's format")
        parser.add_argument("--dir", type=Path, required=True, metavar="DIR", help="new folder to make")
        parser.add_argument("--requests", type=Path, metavar="DIR",
                            help="folder of *.request files: members that made their own keys")
        parser.add_argument("--coordinator", default="127.0.0.1:7443", metavar="HOST:PORT",
                            help="where members will reach the coordinator (default %(default)s)")
        parser.add_argument("--passphrase-file", type=Path, metavar="FILE",
                            help="one line per key holder, or one line for all; asked for where absent")
        add_output(parser)
        parser.epilog = ("Run it away from the coordinator: the dealer knows the whole key while it runs.\n"
                         "Afterwards carry each folder to its member, and DIR/ca to a safe place.")

    def run(self, args: argparse.Namespace) -> int:
        """Hold it; print the fingerprint that everybody pins."""
        spec = load_spec(args.spec)
        if spec.key_bits < MINIMUM_BITS:
            raise Misconfigured(f"{spec.file}: federation.key_bits must be at least {MINIMUM_BITS} outside a "
                                f"sandbox, not {spec.key_bits}")
        address = parse_address(args.coordinator)
        listen = args.coordinator if address.is_loopback else f"0.0.0.0:{address.port}"
        requests = read_requests(args.requests)
        if requests and (missing := [n for n in member_names(spec) if n not in requests]):
            raise Misconfigured(f"{args.requests}: there is no request of {', '.join(missing)}; without "
                                "--requests the dealer makes everybody's keys, and knows them")
        arrangement = Arrangement(
            coordinator=str(address), listen=listen, requests=requests,
            data_path=lambda department, table: file_or_address(department.data[table]),
            passphrases=passphrases.read(
                args.passphrase_file, [f"keyholder-{i}" for i in range(1, spec.key_holders + 1)]))
        held = hold(spec, args.dir, arrangement, lambda line: print(f"  {line}", file=sys.stderr))
        waiting = missing_approvals(held.charter)
        say(args.output, {
            "federation": spec.name, "dir": str(held.folder), "roster": held.roster.hex(),
            "awaiting_approval": waiting}, [
                f"{spec.name} is founded in {held.folder}, one folder per member.",
                f"Everybody pins this fingerprint: {held.roster.hex()}",
                *([f"Before it can start, these departments approve the roster: {', '.join(waiting)}\n"
                   "(cotally federation approve, then cotally federation complete)"] if waiting else [])])
        return 0


class JoinCommand:
    """`cotally federation join`."""

    name = "join"
    help = "make a member's own keys, and the request to hand to the dealer"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """NAME, role and where to."""
        parser.add_argument("name", metavar="NAME", help="as in the spec; coordinator, keyholder-1, ...")
        parser.add_argument("--role", required=True, choices=list(ROLES))
        parser.add_argument("--dir", type=Path, required=True, metavar="DIR", help="new folder for the keys")
        add_output(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Make the keys; print where the request lies."""
        request = join(args.name, args.role, args.dir)
        say(args.output, {"request": str(request)}, [
            f"Hand {request} to the dealer; the other files in {args.dir} stay with you."])
        return 0


class ApproveCommand:
    """`cotally federation approve`."""

    name = "approve"
    help = "a department signs the roster that it is willing to join"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """The charter, who approves, with which key."""
        parser.add_argument("charter", type=Path, metavar="CHARTER",
                            help="charter.bin from the dealer, or successor.bin of a refresh or rotation")
        parser.add_argument("--name", required=True, metavar="NAME", dest="member", help="of the department")
        parser.add_argument("--signing-key", type=Path, required=True, metavar="FILE")
        parser.add_argument("--roster", required=True, metavar="HEX",
                            help="the fingerprint that the dealer told you, by another way than the file")
        add_output(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Write NAME.approval beside the charter."""
        charter = read_charter(args.charter)
        fingerprint = digest("roster", charter.roster).hex()
        if fingerprint != args.roster.strip().lower():
            raise Misconfigured(f"{args.charter}: its fingerprint is {fingerprint}, not that of --roster")
        try:
            charters.check_proposed(charter)
        except Refused as reason:
            raise Misconfigured(f"{args.charter}: {reason.message}") from None
        signer = SigningKey.load(args.signing_key)
        _check_signer(charter, args.member, signer, args.signing_key)
        path = args.charter.parent / f"{args.member}.approval"
        path.write_bytes(approve(charter.roster, args.member, signer).SerializeToString(deterministic=True))
        say(args.output, {"approval": str(path)}, [
            f"Hand {path} to the coordinator's operator, for `cotally federation succeed`."
            if charter.lineage else f"Hand {path} to the dealer."])
        return 0


class CompleteCommand:
    """`cotally federation complete`."""

    name = "complete"
    help = "add departments' approvals to the charter in every member's folder"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Where the ceremony's results lie, and the approvals."""
        parser.add_argument("dir", type=Path, metavar="DIR", help="as made by `cotally federation init`")
        parser.add_argument("approvals", type=Path, nargs="+", metavar="APPROVAL", help="*.approval files")
        add_output(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Check every approval, then write the charters."""
        charter = read_charter(member_folder(args.dir, "coordinator", "coordinator") / folders.CHARTER)
        charter = with_approvals(charter, [read_approval(path, charter) for path in args.approvals])
        for path in sorted(args.dir.rglob(folders.CHARTER)):
            path.write_bytes(charter.SerializeToString(deterministic=True))
        waiting = missing_approvals(charter)
        say(args.output, {"awaiting_approval": waiting}, [
            f"Still awaited: {', '.join(waiting)}" if waiting else
            "Every department has approved: carry each folder to its member."])
        return 0


def file_or_address(said: str) -> str:
    """What a department's own config says of its data: an address as it is, of a path the file's name."""
    return said if is_url(said) else Path(said).name


def _check_signer(charter: roster_pb2.Charter, name: str, signer: SigningKey, file: Path) -> None:
    if department(charter, name, file).signing_key != signer.public:
        raise Misconfigured(f"{file}: this is not the key of {name} in the roster")


command = Group("federation", "found a federation, join one, refresh its key shares or rotate its key", [
    InitCommand(), JoinCommand(), ApproveCommand(), CompleteCommand(),
    RefreshCommand(), OfferCommand(), DealCommand(), AddCommand(), GatherCommand(),
    RotateCommand(), RotateDealCommand(), SucceedCommand(), policy.command])
