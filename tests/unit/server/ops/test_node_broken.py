"""`cotally node check` on a whole department of which one thing at a time is broken on purpose.

Every failure names what is broken, and prints a command that can be typed.
"""

import json
import os
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cotally.client.cli.main import main
from cotally.server.ops import folders, machine, node_check, pki, reach, site
from cotally.server.ops.ceremony import member_folder
from cotally.server.ops.findings import Finding, Verdict
from cotally.server.rpc.credentials import load
from cotally.server.settings import config, party
from tests.system.running import founded

COMMANDS = ("${EDITOR:-vi}", "chmod", "head", "ls", "rm", "sudo")
SPEC = """
[federation]
name = "checked"
key_bits = 2048
min_departments = 2
[[tables]]
name = "people"
unit = "pid"
columns = [
  { name = "age", type = "integer", lower = 0, upper = 100, nullable = false },
  { name = "income", type = "float", lower = 0, upper = 1000, resolution = 1 },
  { name = "sex", type = "category", codes = ["0", "1"] },
]
[[departments]]
name = "north"
budget = { rho = 1 }
data = { people = "north.csv" }
[[departments]]
name = "south"
budget = { rho = 1 }
data = { people = "south.csv" }
"""


@pytest.fixture(scope="module")
def dealt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A federation that never ran, as its ceremony left it."""
    folder = tmp_path_factory.mktemp("dealt")
    (folder / "spec.toml").write_text(SPEC)
    return founded(folder / "spec.toml", folder / "federation")


@dataclass
class Department:
    """North's folder, a copy that a test may break."""

    config: Path
    ca: Path

    def file(self, key: str) -> Path:
        """The file that node.toml names under *key*."""
        found = tomllib.loads(self.config.read_text("utf-8"))[key]
        return self.config.parent / str(found)

    @property
    def people(self) -> Path:
        """The table's source."""
        found = tomllib.loads(self.config.read_text("utf-8"))["data"]["people"]
        return self.config.parent / str(found)

    def findings(self) -> list[Finding]:
        """Of everything but the coordinator, which does not run."""
        return list(node_check.node_findings(self.config, with_parity=False, offline=True))

    def failed(self) -> Finding:
        """The one failure."""
        (finding,) = [f for f in self.findings() if f.verdict is Verdict.FAIL]
        return finding


@pytest.fixture
def north(dealt: Path, tmp_path: Path) -> Department:
    """The department, whole."""
    root = tmp_path / "federation"
    shutil.copytree(dealt, root)
    config = member_folder(root, "node", "north") / "node.toml"
    source = tmp_path / "people.csv"
    source.write_text("pid,age,income,sex\n1,2,3,0\n")
    source.chmod(0o600)
    folders.set_value(config, "people", str(source))
    return Department(config, next(root.rglob("ca.key")).parent)


def test_a_whole_department_is_well(north: Department) -> None:
    found = north.findings()
    assert {f.verdict for f in found} == {Verdict.OK}, [f for f in found if f.fix]
    assert {"config", "certificate", "signing key", "key", "roster", "clock", "state", "disk",
            "memory for the node", "budget", "grants", "data.people"} <= {f.check for f in found}


def _config(north: Department) -> None:
    north.config.write_text("what = 1\n" + north.config.read_text("utf-8"), "utf-8")


def _open_key(north: Department) -> None:
    north.file("key").chmod(0o644)


def _no_key(north: Department) -> None:
    north.file("key").unlink()


def _another_signing_key(north: Department) -> None:
    shutil.copy(next((north.config.parents[2]).rglob("south-signing.key")), north.file("signing_key"))


def _a_clock_that_went_back(north: Department) -> None:
    state = north.file("state")
    state.mkdir(mode=0o700, exist_ok=True)
    (state / "ledger.db").touch()
    os.utime(state / "ledger.db", (time.time() + 3600, time.time() + 3600))


def _a_damaged_grant(north: Department) -> None:
    next(north.file("grants").glob("*.grant")).write_bytes(b"\xff")


def _no_column(north: Department) -> None:
    north.people.write_text("pid,age,sex\n1,2,0\n")


def _no_unit(north: Department) -> None:
    north.people.write_text("person,age,income,sex\n1,2,3,0\n")


def _nobody(north: Department) -> None:
    north.people.write_text("pid,age,income,sex\n,2,3,0\nNULL,2,3,0\n")


def _gone(north: Department) -> None:
    north.people.unlink()


def _a_stranger(north: Department) -> None:
    text = north.config.read_text("utf-8")
    north.config.write_text(text.replace("[budget]", "[budget]\nmartians = { epsilon = 1 }", 1), "utf-8")


@pytest.mark.parametrize(("spoil", "check", "detail", "fix"), [
    (_config, "config", "unknown key 'what'", "${EDITOR:-vi} "),
    (_open_key, "key", "others can read this private key", "chmod 600 "),
    (_no_key, "key", "no such private key file", "ls -la "),
    (_another_signing_key, "roster", "another signing key", "ls -l "),
    (_a_clock_that_went_back, "clock", "the clock went back", "sudo timedatectl set-ntp true"),
    (_a_damaged_grant, "grants", "cannot be read, and stops the node", "rm "),
    (_no_column, "data.people", "the header lacks column income", "head -1 "),
    (_no_unit, "data.people", "the header lacks column pid", "head -1 "),
    (_nobody, "data.people", "2 records have no pid and leave: is pid the unit column?", "head "),
    (_gone, "data.people", "No such file", "ls -l "),
    (_a_stranger, "budget", "budget.martians", "${EDITOR:-vi} "),
])
def test_what_is_broken_is_named_with_a_command(
    north: Department, spoil: Callable[[Department], None], check: str, detail: str, fix: str
) -> None:
    spoil(north)
    found = north.failed()
    assert found.check == check
    assert detail in found.detail and "\n" not in found.detail
    assert found.fix.startswith(fix) and fix.split()[0] in COMMANDS


def test_a_unit_with_some_nulls_and_an_open_file_are_warnings(north: Department) -> None:
    north.people.write_text("pid,age,income,sex\n,2,3,0\n1,2,3,9\n1,200,3,0\n1,2\n")
    north.people.chmod(0o644)
    told = [f.detail for f in north.findings() if f.verdict is Verdict.WARN]
    for said in ("1 records have no pid and leave", "2 records repeat a pid", "not among its codes",
                 "outside its bounds", "1 lines have fewer cells", "every user of this machine can read"):
        assert any(said in each for each in told), told


def test_a_certificate_that_ends_or_has_not_begun(north: Department) -> None:
    files = {key: north.file(key) for key in reach.FILES}
    assert reach.certificate(files, datetime.now(UTC)).verdict is Verdict.OK
    soon = reach.certificate(files, datetime.now(UTC) + timedelta(days=380))
    over = reach.certificate(files, datetime.now(UTC) + timedelta(days=500))
    early = reach.certificate(files, datetime.now(UTC) - timedelta(days=3))
    assert (soon.verdict, over.verdict, early.verdict) == (Verdict.WARN, Verdict.FAIL, Verdict.FAIL)
    assert over.status == 8 and "expired" in over.detail
    assert soon.fix == over.fix and soon.fix.startswith("openssl x509 -x509toreq ")
    assert early.fix == "sudo timedatectl set-ntp true"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the command that is printed is openssl's")
def test_the_printed_command_makes_a_request_that_the_authority_signs(north: Department) -> None:
    files = {key: north.file(key) for key in reach.FILES}
    subprocess.run(reach.renew(files), shell=True, check=True, capture_output=True)
    request = files["certificate"].with_suffix(".csr")
    key = load_pem_private_key(files["key"].read_bytes(), None).public_key()
    assert pki.sign_request(north.ca, request, "north", pki.Role.NODE).public_key() == key
    new = north.config.parent / "renewed.pem"
    subprocess.run(["openssl", "x509", "-req", "-copy_extensions", "copyall", "-in", request, "-days", "400",
                    "-CA", north.ca / "ca.pem", "-CAkey", north.ca / "ca.key", "-out", new],
                   check=True, capture_output=True)
    old, renewed = (load(files["ca"], each, files["key"]) for each in (files["certificate"], new))
    assert renewed.certificate.not_valid_after_utc > old.certificate.not_valid_after_utc - timedelta(days=1)
    assert {e.oid for e in renewed.certificate.extensions} >= {e.oid for e in old.certificate.extensions}
    renewed.for_client()


def test_a_coordinator_that_is_not_there(north: Department) -> None:
    folders.set_value(north.config, "coordinator", "127.0.0.1:1")
    found = reach.check(north.config)[-1]
    assert (found.check, found.verdict, found.status) == ("coordinator", Verdict.FAIL, 7)
    assert found.fix == "nc -vz 127.0.0.1 1"


def test_a_full_disk_and_too_little_memory(north: Department, monkeypatch: pytest.MonkeyPatch) -> None:
    def free(amount: int) -> Finding:
        monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=amount))
        return site.disk(north.file("state"), needed=2 * machine.GIB)

    gib = machine.GIB
    assert [free(n).verdict for n in (gib, 3 * gib, 5 * gib)] == [Verdict.FAIL, Verdict.WARN, Verdict.OK]
    assert free(50 * machine.MIB).fix.startswith("df -h ")
    assert site.memory(gib, gib // 2).verdict is Verdict.FAIL
    assert site.memory(gib, gib // 2).fix.startswith("ps ")
    assert site.memory(gib, 2 * gib).verdict is site.memory(gib, None).verdict is Verdict.OK


def test_more_people_need_more_memory_and_files_to_copy_need_room(north: Department) -> None:
    settings = config.node(north.config)
    held = party.federation(settings.common).catalog.tables
    sizes = sum(north.people.with_name(f"{t.name}.csv").stat().st_size for t in held)
    assert site._to_copy(settings, held) == sizes
    many = [replace(table, max_people=10**8) for table in held]
    assert site._to_work(settings, many) > site._to_work(settings, held)


def test_a_folder_that_cannot_be_written(north: Department, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", closed)
    found = site.folder(north.file("state"))
    assert found.verdict is Verdict.FAIL and found.fix.startswith("sudo chown ")


def test_json_says_the_same_in_letters(
    north: Department, capsys: pytest.CaptureFixture[str]
) -> None:
    other = north.people.with_name("人口.csv")
    folders.set_value(north.config, "people", str(other))
    assert main(["node", "check", str(north.config), "--offline", "-o", "json"]) == 3
    out = capsys.readouterr().out
    assert "人口.csv" in out
    assert [json.loads(line)["verdict"] for line in out.splitlines()].count("fail") == 1


def test_a_config_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["node", "check", str(tmp_path / "node.toml"), "--offline"]) == 3
    assert "there is no such configuration file" in capsys.readouterr().out
