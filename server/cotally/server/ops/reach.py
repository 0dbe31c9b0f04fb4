"""Whether the files of a profile or config are in order, and the coordinator can be reached with them."""

import socket
import ssl
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cotally.v1.refusals import Misconfigured

from .findings import CREDENTIALS, UNREACHABLE, Finding, edit, fail, ok, quoted, warn

if TYPE_CHECKING:
    from cotally.v1 import roster_pb2

FILES: Final = ("ca", "certificate", "key", "signing_key")
SOON: Final = 30  # days before the end of a certificate from which to say so
_ASK: Final = "the coordinator's operator revoked this analyst: ask him why, and for a new enrolment"
_PATIENCE: Final = 5.0  # seconds


def check(path: Path, now: datetime | None = None) -> list[Finding]:
    """Findings on the profile.toml, node.toml or keyholder.toml at *path*; later ones need earlier ones."""
    findings = check_files(path, now)
    if findings[-1].verdict == "fail":
        return findings
    table = tomllib.loads(path.read_text("utf-8"))
    files = {key: path.parent / table[key] for key in FILES}
    findings.append(coordinator(table["coordinator"], files))
    if findings[-1].verdict != "fail" and "purposes" in table:
        findings.append(roster(table, files))
    return findings


def check_files(path: Path, now: datetime | None = None) -> list[Finding]:
    """The findings that need no coordinator."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        return [fail("profile", f"{path}: {error.strerror}", f"ls -l {quoted(path.parent)}")]
    except ValueError as error:
        return [fail("profile", f"{path}: this is not TOML: {error}", edit(path))]
    if wrong := [key for key in ("coordinator", *FILES) if not isinstance(table.get(key), str)]:
        return [fail("profile", f"{path}: `{wrong[0]}` is missing or no text", edit(path))]
    files = {key: path.parent / table[key] for key in FILES}
    findings = [ok("profile", str(path)), private("signing key", files["signing_key"]),
                private("key", files["key"])]
    if findings[-1].verdict == "fail":
        return findings
    findings.append(certificate(files, now or datetime.now(UTC)))
    return findings


def private(what: str, path: Path) -> Finding:
    """A private key's file and its mode."""
    from cotally.server.rpc import credentials  # late: gRPC may be what is broken
    try:
        credentials.read_private(path)
    except Misconfigured as error:
        mend = f"chmod 600 {quoted(path)}" if path.exists() else f"ls -la {quoted(path.parent)}"
        return fail(what, error.message, mend)
    return ok(what, f"{path}, for its owner only")


def certificate(files: Mapping[str, Path], now: datetime) -> Finding:
    """Certificate, key and CA: whether they fit each other, and for how many days they last."""
    from cotally.server.rpc import credentials
    try:
        loaded = credentials.load(files["ca"], files["certificate"], files["key"], clock=lambda: now)
    except Misconfigured as error:
        return fail("certificate", error.message, _mend(error.message, files), CREDENTIALS)
    days = (loaded.certificate.not_valid_after_utc - now).days
    said = f"{files['certificate']}, valid for {days} more days"
    return ok("certificate", said) if days > SOON else warn("certificate", said, renew(files))


def renew(files: Mapping[str, Path]) -> str:
    """The command that asks for the same certificate anew: its output goes to the federation's CA."""
    own = files["certificate"]
    return (f"openssl x509 -x509toreq -copy_extensions copyall -in {quoted(own)} "
            f"-signkey {quoted(files['key'])} -out {quoted(own.with_suffix('.csr'))}")


def _mend(reason: str, files: Mapping[str, Path]) -> str:
    if "not valid before" in reason or "not valid yet" in reason:
        return "sudo timedatectl set-ntp true"
    if "expired" in reason and str(files["certificate"]) in reason:
        return renew(files)
    return f"openssl verify -CAfile {quoted(files['ca'])} {quoted(files['certificate'])}"


def coordinator(address: str, files: Mapping[str, Path]) -> Finding:
    """Whether a coordinator of this federation answers at *address*, step by step as a call would go."""
    from cotally.server.rpc.address import parse_address
    try:
        where = parse_address(address)
    except Misconfigured as error:
        return fail("coordinator", error.message, "cotally doctor --help")
    mend = f"nc -vz {where.host} {where.port}"
    try:
        line = socket.create_connection((where.host, where.port), timeout=_PATIENCE)
    except OSError as error:
        return fail("coordinator", f"{address} cannot be reached: {error.strerror or error}",
                    mend, UNREACHABLE)
    with line:
        try:
            return _handshake(line, where.host, address, files)
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "no TLS"
            return fail("coordinator", f"{address} is not this federation's: {reason}",
                        f"openssl s_client -connect {where.host}:{where.port} -CAfile {quoted(files['ca'])}",
                        CREDENTIALS)
        except OSError as error:
            return fail("coordinator", f"{address} hung up: {error.strerror or error}",
                        mend, UNREACHABLE)


def _handshake(line: socket.socket, host: str, address: str, files: Mapping[str, Path]) -> Finding:
    """Mutual TLS, then the first bytes: a certificate that is not liked is refused only after it."""
    context = ssl.create_default_context(cafile=str(files["ca"]))
    context.load_cert_chain(str(files["certificate"]), str(files["key"]))
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(line, server_hostname=host) as secure:
        if not secure.recv(1):
            return fail("coordinator", f"{address} does not accept this certificate", renew(files),
                        CREDENTIALS)
        return _lasts(address, secure.getpeercert() or {})


def roster(table: Mapping[str, Any], files: Mapping[str, Path]) -> Finding:
    """Whether the coordinator lives under the roster that the analyst's profile pins."""
    import grpc

    from cotally.server.rpc import credentials
    from cotally.server.rpc.refusals import from_error
    from cotally.server.wire.federation import VERSION
    from cotally.v1 import analyst_pb2, analyst_pb2_grpc, work_pb2
    from cotally.v1.canonical import digest

    pinned, address = str(table.get("roster")), table["coordinator"]
    mend = "compare `name` and `roster` in the profile with what the federation gave you"
    try:
        hello = work_pb2.Hello(version=VERSION, roster=bytes.fromhex(pinned), name=str(table.get("name")))
        own = credentials.load(files["ca"], files["certificate"], files["key"])
        with grpc.secure_channel(address, own.for_client()) as channel:
            answer = analyst_pb2_grpc.AnalystsStub(channel).Welcome(
                analyst_pb2.WelcomeRequest(hello=hello), timeout=_PATIENCE)
    except ValueError:
        return fail("roster", f"`roster` is {pinned!r}, not 64 hex digits", mend, CREDENTIALS)
    except grpc.RpcError as error:
        said = from_error(error, address).message
        return fail("roster", said, _ASK if "has revoked" in said else mend, CREDENTIALS)
    found = digest("roster", answer.charter.roster)
    if found.hex() == pinned.lower():
        return ok("roster", f"the pinned one of {answer.charter.roster.federation}")
    if _succeeds(answer.charter, bytes.fromhex(pinned)):
        return ok("roster", f"of {answer.charter.roster.federation}, epoch {answer.charter.roster.epoch}: an "
                            "approved successor of the pinned one")
    return fail("roster", f"the coordinator shows the roster {found.hex()}, not the pinned one", mend,
                CREDENTIALS)


def _succeeds(charter: "roster_pb2.Charter", pinned: bytes) -> bool:
    """Whether a chain of approved rosters leads from the pinned one to the charter's."""
    from cotally.server.audit import lineage
    from cotally.v1.refusals import Refused
    try:
        lineage.check_chain(lineage.links(charter))
    except Refused:
        return False
    return pinned in lineage.digests(charter)


def _lasts(address: str, theirs: Mapping[str, Any]) -> Finding:
    days = int((ssl.cert_time_to_seconds(theirs["notAfter"]) - datetime.now(UTC).timestamp()) // 86_400)
    said = f"{address} answers; its certificate is valid for {days} more days"
    return ok("coordinator", said) if days > SOON else warn(
        "coordinator", said, "tell the coordinator's operator")
