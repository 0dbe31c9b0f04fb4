"""A ceremony leaves folders that their members can start from, and nothing that they should not hold."""

import argparse
import stat
import tomllib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from cotally.client import profile as client_profile
from cotally.server.crypto import ceremony as dealing
from cotally.server.crypto import sharefile
from cotally.server.crypto.ceremony import Dealt
from cotally.server.crypto.signing import SigningKey
from cotally.server.crypto.threshold import check_share
from cotally.server.engines.source import File
from cotally.server.ops import ceremony, enrolment, federation, grants, passphrases
from cotally.server.ops.ceremony import Arrangement, Held, hold, keep_passphrases, sandbox_arrangement
from cotally.server.ops.spec import Spec, load_spec
from cotally.server.policy.grants import check_grant
from cotally.server.rpc import credentials
from cotally.server.settings import config
from cotally.server.wire import charter
from cotally.server.wire.federation import Federation
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.refusals import Misconfigured, Refused

SPEC = """
[federation]
name = "pums"
key_bits = 2048
min_departments = 2
delta = 1e-6
population_budget = { epsilon = 20.0 }
[[tables]]
name = "people"
population = "residents"
unit = "pid"
columns = [
  { name = "income", type = "float", lower = 0, upper = 200000, resolution = 0.5 },
  { name = "sex", type = "category", codes = ["0", "1"], other = true },
  { name = "visited", type = "date", lower = "2020-01-01", upper = "2025-12-31" },
]
[[departments]]
name = "north"
budget = { epsilon = 10.0 }
data = { people = "north.csv" }
[[departments]]
name = "south"
budget = { rho = 0.5 }
data = { people = "sub/south.csv" }
[[analysts]]
name = "ann"
purposes = ["statistics", "audit"]
budget = { epsilon = 5.0 }
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    path = tmp_path_factory.mktemp("spec") / "SPEC.toml"
    path.write_text(SPEC)
    return load_spec(path)


@pytest.fixture(scope="module", autouse=True)
def one_key(spec: Spec) -> Iterator[None]:
    """Deals once for all the ceremonies here: finding primes is the slow part."""
    lines: list[str] = []
    dealt = dealing.deal(spec.key_bits, spec.key_holders, spec.threshold, 1, lines.append)

    def deal(bits: int, holders: int, threshold: int, epoch: int, progress: Callable[[str], None]) -> Dealt:
        assert (bits, holders, threshold, epoch) == (2048, 3, 2, 1)
        for line in lines:
            progress(line)
        return dealt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dealing, "deal", deal)
        yield


@pytest.fixture(scope="module")
def held(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Held:
    """One sandbox's ceremony, for all tests that only look."""
    arrangement = sandbox_arrangement(spec)
    done = hold(spec, tmp_path_factory.mktemp("held") / "dir", arrangement, lambda _: None)
    keep_passphrases(done, arrangement.passphrases)
    return done


@pytest.fixture(scope="module")
def pinned(held: Held) -> Federation:
    return charter.load(held.folder / "coordinator" / "charter.bin", held.roster)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_charter_holds_under_its_fingerprint_alone(held: Held, pinned: Federation) -> None:
    assert pinned.roster == held.roster
    assert [t.name for t in pinned.catalog.tables] == ["people"]
    with pytest.raises(Misconfigured, match="is pinned"):
        charter.load(held.folder / "coordinator" / "charter.bin", b"\0" * 32)


def test_catalog_and_policy_say_what_the_spec_says(spec: Spec, pinned: Federation) -> None:
    assert pinned.catalog.tables == spec.tables
    assert (pinned.rules.delta, pinned.rules.colluding) == (spec.delta, 1)
    assert (pinned.rules.round_ms, pinned.rules.tick_ms, pinned.rules.modulus_bits) == (20_000, 50, 2048)
    assert pinned.rules.answer_base_ms == pinned.policy.answer_base_ms == spec.answer_base_ms
    budgets = [(b.population, b.analyst) for b in pinned.policy.budgets]
    assert budgets == [("residents", ""), ("residents", "ann")]
    assert pinned.policy.budgets[0].pico_loss > pinned.policy.budgets[1].pico_loss > 0


def test_every_members_files_belong_together(held: Held, pinned: Federation) -> None:
    folders = {m.name: next(held.folder.rglob(f"{m.name}.pem")).parent for m in pinned.charter.roster.members}
    assert len(folders) == 7
    for member in pinned.charter.roster.members:
        folder, name = folders[member.name], member.name
        tls = credentials.load(folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key")
        assert credentials.spki_sha256(tls.certificate) == member.tls_key
        assert SigningKey.load(folder / f"{member.name}-signing.key").public == member.signing_key
        assert (folder / "README.txt").read_text()


def test_nothing_secret_is_open_to_others(held: Held) -> None:
    secret = [p for p in held.folder.rglob("*") if p.suffix in (".key", ".share") or p.name == "passphrase"]
    assert len(secret) == 1 + 2 * 7 + 2 * 3
    assert {mode(p) for p in secret} == {0o600}
    assert {mode(p) for p in [held.folder, *held.folder.rglob("*")] if p.is_dir()} == {0o700}


def test_roles_read_their_configs(spec: Spec, held: Held, pinned: Federation) -> None:
    board = config.coordinator(held.folder / "coordinator" / "coordinator.toml")
    assert (board.common.roster, board.listen) == (held.roster, "127.0.0.1:0")
    north = config.node(held.folder / "nodes" / "north" / "node.toml")
    south = config.node(held.folder / "nodes" / "south" / "node.toml")
    assert dict(north.budgets) == {"residents": Fraction(10)}
    assert dict(south.budgets_rho) == {"residents": Fraction(1, 2)}
    assert south.data == {"people": File(spec.file.parent / "sub" / "south.csv")}
    for i in range(1, 4):
        holder = config.keyholder(held.folder / "keyholders" / f"keyholder-{i}" / "keyholder.toml")
        assert holder.passphrase_file is not None
        passphrase = credentials.read_private(holder.passphrase_file).strip()
        share = sharefile.read(holder.share, passphrase, pinned.share_binding)
        assert share.index == i == pinned.member(f"keyholder-{i}", roster_pb2.ROLE_KEY_HOLDER).share
        check_share(pinned.key, share)


def test_the_analyst_reads_the_profile(held: Held) -> None:
    file = held.folder / "analysts" / "ann" / "profile.toml"
    file_text = file.read_text().replace("127.0.0.1:0", "127.0.0.1:7443")
    (file.parent / "other.toml").write_text(file_text)
    profile = client_profile.load(file.parent / "other.toml")
    (file.parent / "other.toml").unlink()
    assert (profile.name, profile.roster, profile.purposes) == ("ann", held.roster, ("statistics", "audit"))


def envelope(purpose: str) -> query_pb2.Envelope:
    return query_pb2.Envelope(federation="pums", analyst="ann", purpose=purpose,
                              query=query_pb2.Query(table="people"))


def test_departments_grant_what_the_spec_allows(held: Held, pinned: Federation) -> None:
    for name in ("north", "south"):
        (file,) = (held.folder / "nodes" / name / "grants").glob("*.grant")
        grant = query_pb2.SignedGrant.FromString(file.read_bytes())
        member = pinned.member(name, roster_pb2.ROLE_NODE)
        check_grant(grant, member, "pums", held.roster, envelope("audit"), grants.now_ms())
        with pytest.raises(Refused, match="purpose"):
            check_grant(grant, member, "pums", held.roster, envelope("marketing"), grants.now_ms())
        with pytest.raises(Refused, match="expired"):
            check_grant(grant, member, "pums", held.roster, envelope("audit"),
                        grants.now_ms() + 366 * 86_400_000)


def test_a_department_can_grant_more(held: Held, pinned: Federation) -> None:
    path = grants.grant_from_config(held.folder / "nodes" / "north" / "node.toml",
                                    grants.Terms("ann", ["marketing"], [], days=1))
    grant = query_pb2.SignedGrant.FromString(path.read_bytes())
    check_grant(grant, pinned.member("north", roster_pb2.ROLE_NODE), "pums", held.roster,
                envelope("marketing"), grants.now_ms())
    path.unlink()


@pytest.mark.parametrize("terms, says", [
    (grants.Terms("bob", ["p"], []), "no analyst"),
    (grants.Terms("north", ["p"], []), "no analyst"),
    (grants.Terms("ann", ["p"], ["pets"]), "not held by north"),
    (grants.Terms("ann", ["p"], [], days=0), "--days"),
])
def test_a_grant_that_makes_no_sense(held: Held, terms: grants.Terms, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        grants.grant_from_config(held.folder / "nodes" / "north" / "node.toml", terms)


def test_a_ceremony_overwrites_nothing(spec: Spec, held: Held, tmp_path: Path) -> None:
    before = (held.folder / "ca" / "ca.pem").read_bytes()
    with pytest.raises(Misconfigured, match="not empty"):
        hold(spec, held.folder, sandbox_arrangement(spec), lambda _: None)
    assert (held.folder / "ca" / "ca.pem").read_bytes() == before


def test_a_ceremony_that_breaks_off_leaves_nothing(spec: Spec, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        if line.startswith("certifying"):
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        hold(spec, tmp_path / "dir", sandbox_arrangement(spec), interrupt)
    assert list(tmp_path.iterdir()) == []


def own_keys(folder: Path, *members: tuple[str, str]) -> Path:
    """Requests of *members*, as they hand them to the dealer; their folders are folder/NAME."""
    requests = folder / "requests"
    requests.mkdir()
    for name, role in members:
        enrolment.join(name, role, folder / name).rename(requests / f"{name}.request")
    return requests


def test_members_may_keep_their_keys(spec: Spec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requests = own_keys(tmp_path, ("north", "node"), ("keyholder-2", "keyholder"))
    arrangement = Arrangement(
        coordinator="hub.example:7443", listen="0.0.0.0:7443", data_path=lambda d, t: d.data[t],
        requests=enrolment.read_requests(requests), passphrases=[b"a" * 8, b"b" * 8, b"c" * 8])
    held = hold(spec, tmp_path / "dir", arrangement, lambda _: None)
    north, own = held.folder / "nodes" / "north", tmp_path / "north"
    assert not list(north.rglob("*.key"))
    assert not list((north / "grants").iterdir())
    assert credentials.load(north / "ca.pem", north / "north.pem", own / "north.key")
    holder = held.folder / "keyholders" / "keyholder-1" / "keyholder.toml"
    assert "passphrase_file" not in tomllib.loads(holder.read_text())
    with pytest.raises(Misconfigured, match="not signed by north"):  # the dealer cannot speak for it
        charter.load(north / "charter.bin", held.roster)

    key = own / "north-signing.key"
    assert approve(north / "charter.bin", "north", key, held.roster.hex()) == 0
    assert typed(federation.CompleteCommand(), [str(held.folder), str(north / "north.approval")]) == 0
    assert "Every department has approved" in capsys.readouterr().out
    charter.load(north / "charter.bin", held.roster)
    charter.load(held.folder / "coordinator" / "charter.bin", held.roster)

    with pytest.raises(Misconfigured, match="not the key of south"):
        approve(north / "charter.bin", "south", key, held.roster.hex())
    with pytest.raises(Misconfigured, match="not that of --roster"):
        approve(north / "charter.bin", "north", key, "00" * 32)
    forged = roster_pb2.Approval(department="south", signature=b"\1" * 64).SerializeToString()
    (tmp_path / "south.approval").write_bytes(forged)
    with pytest.raises(Misconfigured, match="south has not signed"):
        typed(federation.CompleteCommand(), [str(held.folder), str(tmp_path / "south.approval")])


def approve(path: Path, name: str, key: Path, roster: str) -> int:
    return typed(federation.ApproveCommand(),
                 [str(path), "--name", name, "--signing-key", str(key), "--roster", roster])


def typed(command: federation.ApproveCommand | federation.CompleteCommand | federation.InitCommand,
          argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(argv))


def test_requests_prove_possession_and_fit_the_spec(spec: Spec, tmp_path: Path) -> None:
    requests = own_keys(tmp_path, ("north", "node"))
    file = requests / "north.request"
    text = file.read_text()
    file.write_text(text.replace('role = "node"', 'role = "coordinator"'))
    with pytest.raises(Misconfigured, match="does not hold its signing key"):
        enrolment.read_requests(requests)
    file.write_text(text)
    (requests / "copy.request").write_text(text)
    with pytest.raises(Misconfigured, match="asks for 'north' already"):
        enrolment.read_requests(requests)
    (requests / "copy.request").unlink()
    enrolment.join("stranger", "node", tmp_path / "stranger").rename(requests / "stranger.request")
    arrangement = Arrangement("h:1", "h:1", lambda d, t: "", enrolment.read_requests(requests), [])
    with pytest.raises(Misconfigured, match="no node called 'stranger'"):
        hold(spec, tmp_path / "dir", arrangement, lambda _: None)
    with pytest.raises(Misconfigured, match="never overwritten"):
        enrolment.join("north", "node", tmp_path / "north")


def test_a_real_federation_needs_a_long_key(spec: Spec, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="key_bits must be at least 3072"):
        typed(federation.InitCommand(), [str(spec.file), "--dir", str(tmp_path / "dir")])


HOLDERS = ["keyholder-1", "keyholder-2", "keyholder-3"]


@pytest.mark.parametrize("content, file_mode, says", [
    (b"longenough\nlongenough2\n", 0o600, "one line for each of 3"),
    (b"short\n", 0o600, "at least 8"),
    (b"longenough\n", 0o644, "chmod 600"),
])
def test_passphrases_are_checked(
    tmp_path: Path, content: bytes, file_mode: int, says: str,
) -> None:
    file = tmp_path / "passphrases"
    file.write_bytes(content)
    file.chmod(file_mode)
    with pytest.raises(Misconfigured, match=says):
        passphrases.read(file, HOLDERS)


def test_one_passphrase_serves_all_or_each_its_own(tmp_path: Path) -> None:
    file = tmp_path / "passphrases"
    file.write_bytes(b"longenough\n")
    file.chmod(0o600)
    assert passphrases.read(file, HOLDERS) == [b"longenough"] * 3
    file.write_bytes(b"aaaaaaaa\nbbbbbbbb\ncccccccc\n")
    assert passphrases.read(file, HOLDERS) == [b"aaaaaaaa", b"bbbbbbbb", b"cccccccc"]


def test_secrets_do_not_print(spec: Spec) -> None:
    arrangement = ceremony.sandbox_arrangement(spec)
    assert arrangement.passphrases[0].decode() not in repr(arrangement)
