"""Wrong, expired, foreign or lax keys: one sentence to the person who can mend it."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from cotally.server.ops import folders, pki
from cotally.server.rpc.hello import make_hello
from cotally.v1 import analyst_pb2, analyst_pb2_grpc, node_pb2_grpc, work_pb2
from cotally.v1.refusals import Refusal
from tests.system.holdings import COUNT
from tests.system.running import Ran, Running, run

PAST = pki.Validity(datetime.now(UTC) - timedelta(days=30), datetime.now(UTC) - timedelta(days=1))
Spoil = Callable[[Path, Path], None]  # (folder of the party, folder of the CA)


def party(federation: Running, name: str, into: Path) -> Path:
    """A copy of a party's folder, without state; returns its config or profile."""
    role = federation.roles.get(name)
    config = role.config if role else federation.profile(name)
    shutil.copytree(config.parent, into, ignore=shutil.ignore_patterns("state"))
    return into / config.name


def certify(folder: Path, authority: Path | pki.Authority, name: str, role: pki.Role,
            validity: pki.Validity | None = None) -> None:
    """Give the party a new key and certificate in place of its own."""
    for old in (folder / f"{name}.key", folder / f"{name}.pem"):
        old.unlink()
    pki.issue_files(authority, folder, name, role, validity=validity)


def foreign(folder: Path) -> pki.Authority:
    """Another federation's CA."""
    return pki.create_authority(folder.parent / "foreign", "foreign")


# The analyst

def _expired(folder: Path, ca: Path) -> None:
    certify(folder, ca, "analyst", pki.Role.ANALYST, PAST)


def _foreign(folder: Path, ca: Path) -> None:
    certify(folder, foreign(folder), "analyst", pki.Role.ANALYST)


def _unknown(folder: Path, ca: Path) -> None:
    certify(folder, ca, "analyst", pki.Role.ANALYST)


def _of_a_node(folder: Path, ca: Path) -> None:
    for kind in ("key", "pem"):
        shutil.copy2(ca.parent / "nodes" / "north" / f"north.{kind}", folder / f"analyst.{kind}")


def _of_another_analyst(folder: Path, ca: Path) -> None:
    for kind in ("key", "pem"):
        shutil.copy2(ca.parent / "analysts" / "poor" / f"poor.{kind}", folder / f"analyst.{kind}")


def _lax_key(folder: Path, ca: Path) -> None:
    (folder / "analyst.key").chmod(0o644)


def _lax_signing_key(folder: Path, ca: Path) -> None:
    (folder / "analyst-signing.key").chmod(0o640)


def _other_roster(folder: Path, ca: Path) -> None:
    folders.set_value(folder / "profile.toml", "roster", "00" * 32)


def _wrong_signing_key(folder: Path, ca: Path) -> None:
    shutil.copy2(ca.parent / "analysts" / "poor" / "poor-signing.key", folder / "analyst-signing.key")


@pytest.mark.parametrize("spoil, status, says", [
    (_expired, 8, "expired"), (_foreign, 8, "another CA"), (_unknown, 8, "maps to no entry"),
    (_of_a_node, 4, "north is a node"), (_of_another_analyst, 8, "shows the certificate of poor"),
    (_other_roster, 8, "roster"), (_wrong_signing_key, 8, "analyst"),
    (_lax_key, 3, "chmod 600"), (_lax_signing_key, 3, "chmod 600")])
def test_a_profile_that_cannot_serve_is_told_why(
    federation: Running, tmp_path: Path, spoil: Spoil, status: int, says: str,
) -> None:
    profile = party(federation, "analyst", tmp_path / "analyst")
    spoil(profile.parent, federation.root / "ca")
    before = federation.spent()
    ran = run("query", COUNT, "-o", "json", environment={"COTALLY_PROFILE": str(profile)})
    assert (ran.status, ran.out) == (status, ""), ran.err
    assert says in ran.message
    assert "Traceback" not in ran.err
    assert federation.spent() == before


def test_a_profile_with_another_address_is_told_that_nobody_answers(
    federation: Running, tmp_path: Path,
) -> None:
    profile = party(federation, "analyst", tmp_path / "analyst")
    folders.set_value(profile, "coordinator", "127.0.0.1:1")
    ran = run("query", COUNT, "-o", "json", environment={"COTALLY_PROFILE": str(profile)})
    assert (ran.status, ran.out, ran.refusal) == (7, "", Refusal.UNREACHABLE)


# Whoever skips the client's own checks meets the coordinator's

def welcome(federation: Running, folder: Path, name: str) -> analyst_pb2.WelcomeResponse:
    """Call the coordinator with the certificate in *folder*, as a client would that checks nothing."""
    root = (federation.root / "ca" / pki.CA_CERTIFICATE).read_bytes()
    credentials = grpc.ssl_channel_credentials(
        root, (folder / f"{name}.key").read_bytes(), (folder / f"{name}.pem").read_bytes())
    with federation.connect() as con, grpc.secure_channel(federation.address, credentials) as channel:
        request = analyst_pb2.WelcomeRequest(hello=make_hello(con.charter, name))
        return analyst_pb2_grpc.AnalystsStub(channel).Welcome(request, timeout=20)


@pytest.mark.parametrize("spoil", [_expired, _foreign])
def test_the_coordinator_shuts_the_door_on_a_bad_certificate(
    federation: Running, tmp_path: Path, spoil: Spoil,
) -> None:
    folder = party(federation, "analyst", tmp_path / "analyst").parent
    assert welcome(federation, folder, "analyst").connected
    spoil(folder, federation.root / "ca")
    with pytest.raises(grpc.RpcError) as caught:
        welcome(federation, folder, "analyst")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_nobody_gets_in_without_a_certificate(federation: Running) -> None:
    root = (federation.root / "ca" / pki.CA_CERTIFICATE).read_bytes()
    with (grpc.secure_channel(federation.address, grpc.ssl_channel_credentials(root)) as channel,
          pytest.raises(grpc.RpcError)):
        analyst_pb2_grpc.AnalystsStub(channel).Budget(analyst_pb2.BudgetRequest(), timeout=20)


def test_a_stream_ends_when_its_certificate_does(federation: Running, tmp_path: Path) -> None:
    """A certificate for west's own key that lasts some seconds: calls and streams work, and then neither."""
    folder = party(federation, "west", tmp_path / "west").parent
    key = load_pem_private_key((folder / "west.key").read_bytes(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)
    with federation.connect() as con:
        hello, size = make_hello(con.charter, "west"), con.verify_log()[0]
    now = datetime.now(UTC)
    short = pki.issue(federation.root / "ca", "west", pki.Role.NODE, key.public_key(),
                      validity=pki.Validity(now - timedelta(minutes=5), now + timedelta(seconds=4)))
    credentials = grpc.ssl_channel_credentials(
        (federation.root / "ca" / pki.CA_CERTIFICATE).read_bytes(), (folder / "west.key").read_bytes(),
        short.public_bytes(Encoding.PEM))
    federation.pause("west")  # else it takes its line back
    with grpc.secure_channel(federation.address, credentials) as channel:
        stub = node_pb2_grpc.NodesStub(channel)
        stream = stub.Listen(work_pb2.ListenRequest(hello=hello, log_size=size), timeout=60)
        with pytest.raises(grpc.RpcError) as caught:
            for _ in stream:
                pass
        over = datetime.now(UTC)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert short.not_valid_after_utc < over < short.not_valid_after_utc + timedelta(seconds=5)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Ready(work_pb2.ReadyRequest(), timeout=20)  # on the connection that is still open
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


# The roles

def _share_for_all(folder: Path, ca: Path) -> None:
    (folder / "keyholder-1.share").chmod(0o644)


def _wrong_passphrase(folder: Path, ca: Path) -> None:
    (folder / "passphrase").write_text("not this one\n")


def _lax_passphrase(folder: Path, ca: Path) -> None:
    (folder / "passphrase").chmod(0o604)


def _share_of_another(folder: Path, ca: Path) -> None:
    other = ca.parent / "keyholders" / "keyholder-2"
    shutil.copy2(other / "keyholder-2.share", folder / "keyholder-1.share")
    shutil.copy2(other / "passphrase", folder / "passphrase")


def _damaged_share(folder: Path, ca: Path) -> None:
    share = folder / "keyholder-1.share"
    share.write_bytes(share.read_bytes()[:-40])


def _north_expired(folder: Path, ca: Path) -> None:
    certify(folder, ca, "north", pki.Role.NODE, PAST)


def _north_foreign(folder: Path, ca: Path) -> None:
    certify(folder, foreign(folder), "north", pki.Role.NODE)


def _north_signs_lax(folder: Path, ca: Path) -> None:
    (folder / "north-signing.key").chmod(0o666)


def _north_other_key(folder: Path, ca: Path) -> None:
    shutil.copy2(ca.parent / "nodes" / "south" / "south-signing.key", folder / "north-signing.key")


def _other_charter(folder: Path, ca: Path) -> None:
    config = next(folder.glob("*.toml"))
    folders.set_value(config, "roster", "ab" * 32)


def _unknown_setting(folder: Path, ca: Path) -> None:
    config = next(folder.glob("*.toml"))
    config.write_text("grnats = 1\n" + config.read_text())


def _broken_grant(folder: Path, ca: Path) -> None:
    (folder / "grants" / "analyst-1.grant").write_bytes(b"\xff\xff")


def _nothing(folder: Path, ca: Path) -> None:
    """The coordinator that runs already has the port."""


@pytest.mark.parametrize("name, spoil, says", [
    ("keyholder-1", _share_for_all, "chmod 600"), ("keyholder-1", _wrong_passphrase, "passphrase"),
    ("keyholder-1", _lax_passphrase, "chmod 600"), ("keyholder-1", _share_of_another, "index 2"),
    ("keyholder-1", _damaged_share, "share"),
    ("north", _north_expired, "expired"), ("north", _north_foreign, "another CA"),
    ("north", _north_signs_lax, "chmod 600"), ("north", _north_other_key, "another signing key"),
    ("north", _other_charter, "charter"), ("north", _unknown_setting, "grnats"),
    ("north", _broken_grant, "grant"),
    ("coordinator", _nothing, "in use"), ("coordinator", _unknown_setting, "grnats")])
def test_a_role_that_cannot_serve_says_why_and_ends(
    federation: Running, tmp_path: Path, name: str, spoil: Spoil, says: str,
) -> None:
    config = party(federation, name, tmp_path / name)
    spoil(config.parent, federation.root / "ca")
    role = federation.roles[name].role
    ran: Ran = run(role, "run", config, seconds=60)
    foreign_share = spoil is _share_of_another  # whole and readable, yet not what the roster says
    assert (ran.status, ran.out) == (8 if foreign_share else 3, ""), ran.err
    assert says in ran.sentence
    assert "Traceback" not in ran.err

