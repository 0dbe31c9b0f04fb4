"""`cotally federation`: the ceremony of a real federation, and how members join it with their own keys."""

import argparse
import json
import sys
from collections.abc import Sequence
from getpass import getpass
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError

from cotally.server.crypto import private_files, signing
from cotally.server.crypto.signing import SigningKey
from cotally.server.engines.source import is_url
from cotally.server.rpc.address import parse_address
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest, to_sign
from cotally.v1.commands import Group
from cotally.v1.refusals import Misconfigured

from . import folders
from .ceremony import Arrangement, hold, member_folder, member_names
from .charter import approve, missing_approvals, with_approvals
from .enrolment import ROLES, join, read_requests
from .spec import Spec, load_spec

MINIMUM_BITS: Final = 3072  # a sandbox may do with less
MIN_PASSPHRASE: Final = 8  # bytes


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
        _output(parser)
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
            passphrases=read_passphrases(args.passphrase_file, spec))
        held = hold(spec, args.dir, arrangement, lambda line: print(f"  {line}", file=sys.stderr))
        waiting = missing_approvals(held.charter)
        _print(args.output, {
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
        _output(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Make the keys; print where the request lies."""
        request = join(args.name, args.role, args.dir)
        _print(args.output, {"request": str(request)}, [
            f"Hand {request} to the dealer; the other files in {args.dir} stay with you."])
        return 0


class ApproveCommand:
    """`cotally federation approve`."""

    name = "approve"
    help = "a department signs the roster that it is willing to join"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """The charter, who approves, with which key."""
        parser.add_argument("charter", type=Path, metavar="CHARTER", help="charter.bin from the dealer")
        parser.add_argument("--name", required=True, metavar="NAME", dest="member", help="of the department")
        parser.add_argument("--signing-key", type=Path, required=True, metavar="FILE")
        parser.add_argument("--roster", required=True, metavar="HEX",
                            help="the fingerprint that the dealer told you, by another way than the file")
        _output(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Write NAME.approval beside the charter."""
        charter = read_charter(args.charter)
        fingerprint = digest("roster", charter.roster).hex()
        if fingerprint != args.roster.strip().lower():
            raise Misconfigured(f"{args.charter}: its fingerprint is {fingerprint}, not that of --roster")
        signer = SigningKey.load(args.signing_key)
        _check_signer(charter, args.member, signer, args.signing_key)
        path = args.charter.parent / f"{args.member}.approval"
        path.write_bytes(approve(charter.roster, args.member, signer).SerializeToString(deterministic=True))
        _print(args.output, {"approval": str(path)}, [f"Hand {path} to the dealer."])
        return 0


class CompleteCommand:
    """`cotally federation complete`."""

    name = "complete"
    help = "add departments' approvals to the charter in every member's folder"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Where the ceremony's results lie, and the approvals."""
        parser.add_argument("dir", type=Path, metavar="DIR", help="as made by `cotally federation init`")
        parser.add_argument("approvals", type=Path, nargs="+", metavar="APPROVAL", help="*.approval files")
        _output(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Check every approval, then write the charters."""
        charter = read_charter(member_folder(args.dir, "coordinator", "coordinator") / folders.CHARTER)
        charter = with_approvals(charter, [_read_approval(path, charter) for path in args.approvals])
        for path in sorted(args.dir.rglob(folders.CHARTER)):
            path.write_bytes(charter.SerializeToString(deterministic=True))
        waiting = missing_approvals(charter)
        _print(args.output, {"awaiting_approval": waiting}, [
            f"Still awaited: {', '.join(waiting)}" if waiting else
            "Every department has approved: carry each folder to its member."])
        return 0


def file_or_address(said: str) -> str:
    """What a department's own config says of its data: an address as it is, of a path the file's name."""
    return said if is_url(said) else Path(said).name


def read_passphrases(file: Path | None, spec: Spec) -> list[bytes]:
    """One passphrase per key holder, from *file* or from whoever sits at the terminal."""
    if file is None:
        return [_ask(f"keyholder-{i}") for i in range(1, spec.key_holders + 1)]
    lines = private_files.read(file).splitlines()
    if len(lines) == 1:
        lines *= spec.key_holders
    if len(lines) != spec.key_holders:
        raise Misconfigured(f"{file}: must hold one line for each of {spec.key_holders} key holders, or one "
                            f"for all, not {len(lines)} lines")
    if any(len(line) < MIN_PASSPHRASE for line in lines):
        raise Misconfigured(f"{file}: a passphrase must have at least {MIN_PASSPHRASE} bytes")
    return lines


def _ask(name: str) -> bytes:
    if not sys.stdin.isatty():
        raise Misconfigured("no terminal to ask for passphrases at; use --passphrase-file FILE")
    while True:
        first = getpass(f"passphrase of {name}: ")
        if len(first.encode()) < MIN_PASSPHRASE:
            print(f"at least {MIN_PASSPHRASE} bytes, please", file=sys.stderr)
        elif getpass("once more: ") != first:
            print("these two differ", file=sys.stderr)
        else:
            return first.encode()


def read_charter(path: Path) -> roster_pb2.Charter:
    """The charter in *path*, not yet believed."""
    try:
        return roster_pb2.Charter.FromString(path.read_bytes())
    except OSError as reason:
        raise Misconfigured(f"{path}: cannot be read: {reason.strerror}") from None
    except DecodeError:
        raise Misconfigured(f"{path}: this is not a charter, or it is damaged") from None


def _read_approval(path: Path, charter: roster_pb2.Charter) -> roster_pb2.Approval:
    try:
        approval = roster_pb2.Approval.FromString(path.read_bytes())
    except OSError as reason:
        raise Misconfigured(f"{path}: cannot be read: {reason.strerror}") from None
    except DecodeError:
        raise Misconfigured(f"{path}: this is not an approval, or it is damaged") from None
    key = _department(charter, approval.department, path).signing_key
    if not signing.verify(key, to_sign("roster", charter.roster), approval.signature):
        raise Misconfigured(f"{path}: {approval.department} has not signed this roster")
    return approval


def _department(charter: roster_pb2.Charter, name: str, place: Path) -> roster_pb2.Member:
    for member in charter.roster.members:
        if member.name == name and member.role == roster_pb2.ROLE_NODE:
            return member
    raise Misconfigured(f"{place}: {name!r} is no department of {charter.roster.federation}")


def _check_signer(charter: roster_pb2.Charter, name: str, signer: SigningKey, file: Path) -> None:
    if _department(charter, name, file).signing_key != signer.public:
        raise Misconfigured(f"{file}: this is not the key of {name} in the roster")


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", choices=["text", "json"], default="text", dest="output", help="output format")


def _print(output: str, data: dict[str, Any], lines: Sequence[str]) -> None:
    print(json.dumps(data) if output == "json" else "\n".join(lines))


command = Group("federation", "found a federation, or join one",
                [InitCommand(), JoinCommand(), ApproveCommand(), CompleteCommand()])
