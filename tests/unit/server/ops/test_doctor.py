"""The doctor: planted troubles are found, named and given a remedy."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from cotally.client.cli.main import main
from cotally.server.audit.revocations import check_member
from cotally.server.crypto import backend
from cotally.server.crypto.signing import SigningKey
from cotally.server.ops import doctor, machine, packages, pki, reach
from cotally.server.ops.findings import Finding, Verdict
from cotally.server.rpc.refusals import DETAIL_KEY, to_detail
from cotally.v1 import query_pb2
from cotally.v1.refusals import Refused
from tests.unit.loopback import Federation, Straw, coordinator

LINES = ["numpy<3,>=2", 'duckdb>=1.3; extra == "node"', "opendp<0.17,>=0.14; extra == 'node'",
         'matplotlib>=3.9; extra == "plot"', 'odd>=1; python_version < "3"']


def versions(**installed: str) -> Callable[[str], str | None]:
    return installed.get


def test_packages_are_told_extra_by_extra() -> None:
    good = packages.check(LINES, versions(numpy="2.4.6", duckdb="1.10.0", opendp="0.16.0", matplotlib="3.9"))
    assert [(f.check, f.verdict) for f in good] == [
        ("packages", "ok"), ("packages[plot]", "ok"), ("packages[node]", "ok")]
    base, plot, node = packages.check(LINES, versions(numpy="3.0rc1", opendp="0.17.0"))
    assert base.verdict == Verdict.FAIL and "numpy 3.0rc1 is not numpy<3,>=2" in base.detail
    assert plot.verdict == Verdict.WARN and "needed only by charts" in plot.detail
    assert node.fix == "pip install 'cotally[node]'"
    assert "duckdb is missing" in node.detail and "opendp 0.17.0 is not" in node.detail


def test_the_machine_is_looked_at() -> None:
    found = {f.check: f for f in machine.check()}
    assert list(found) == ["python", "big integers", "clock", "loopback", "space", "cores", "memory"]
    detail = found["big integers"].detail
    assert f"back end {backend.name()}; kernel: " in detail and "gmpy2 2." in detail and "GMP " in detail
    assert machine.python((3, 10, 4)).verdict == Verdict.FAIL
    assert machine.cores(1).verdict == Verdict.WARN


def test_a_back_end_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backend.VARIABLE, "abacus")
    found = machine.integers()
    assert found.verdict == Verdict.FAIL and "abacus" in found.detail and "gmpy2" in found.detail
    assert found.fix == f"unset {backend.VARIABLE}"


@pytest.mark.parametrize("now, kernel, verdict", [
    (1.8e9, 0, "ok"), (1.8e9, None, "ok"), (1.8e9, 5, "warn"), (1e9, 0, "fail")])
def test_a_clock_that_is_wrong_or_unkept_is_told(now: float, kernel: int | None, verdict: str) -> None:
    assert machine.clock(now, kernel).verdict == verdict


@pytest.mark.parametrize("limit, used, verdict", [
    ("max", 0, "ok"), (str(8 * 2**30), 2**30, "ok"), (str(2**30), 2**29 - 1, "warn"),
    (str(2**30), 2**30, "fail"),
])
def test_a_container_limits_memory(tmp_path: Path, limit: str, used: int, verdict: str) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 16000000 kB\n")
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 2\n")
    assert machine.memory(tmp_path / "meminfo", tmp_path).verdict == verdict
    assert "not known" in machine.memory(tmp_path / "none", tmp_path).detail


def test_a_full_or_closed_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "none"))
    assert machine.room().verdict == Verdict.FAIL


class Home:
    """A profile whose every part can be spoiled."""

    def __init__(self, folder: Path) -> None:
        self.federation = Federation.create(folder)
        self.path = folder / "profile.toml"
        self.key = folder / "sign.key"
        SigningKey.generate().save(self.key)
        self.write("127.0.0.1:1")

    def write(self, address: str, ca: Path | None = None) -> None:
        """Write the profile."""
        files = self.federation.files["ann"]
        self.path.write_text(
            f'coordinator = "{address}"\nca = "{ca or self.federation.ca}"\nkey = "{files.key}"\n'
            f'certificate = "{files.certificate}"\nsigning_key = "{self.key.name}"\n')

    def found(self, now: datetime | None = None) -> dict[str, Finding]:
        """Findings by check."""
        return {f.check: f for f in reach.check(self.path, now)}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A profile of the analyst `ann`."""
    return Home(tmp_path)


def test_a_coordinator_that_answers_and_one_of_another_federation(home: Home) -> None:
    other = home.path.parent / "other"
    pki.create_authority(other, "other")
    straw = Straw(home.federation.charter)

    async def visit() -> None:
        async with coordinator(home.federation, straw) as address:
            home.write(address)
            found = await asyncio.to_thread(home.found)
            assert {f.verdict for f in found.values()} == {Verdict.OK}
            assert "answers; its certificate is valid for" in found["coordinator"].detail
            home.write(address, other / "ca.pem")
            found = await asyncio.to_thread(home.found)
            assert found["certificate"].status == 8 and "coordinator" not in found
            files = {"ca": other / "ca.pem", "certificate": home.federation.files["ann"].certificate,
                     "key": home.federation.files["ann"].key}
            foreign = await asyncio.to_thread(reach.coordinator, address, files)
            assert foreign.status == 8 and "not this federation's" in foreign.detail
    asyncio.run(visit())


def test_a_port_where_nobody_or_somebody_else_listens(home: Home) -> None:
    assert home.found()["coordinator"].status == 7
    with socket.create_server(("127.0.0.1", 0)) as server:
        home.write(f"127.0.0.1:{server.getsockname()[1]}")
        server.settimeout(5)
        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(1)
                line.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        thread = threading.Thread(target=answer)
        thread.start()
        found = home.found()["coordinator"]
        thread.join()
    assert found.verdict == Verdict.FAIL and "not this federation's" in found.detail


def test_a_certificate_that_ends_soon_or_has_ended(home: Home) -> None:
    ends = home.federation.load("ann").certificate.not_valid_after_utc
    soon = home.found(ends - timedelta(days=3, hours=1))["certificate"]
    assert soon.verdict == Verdict.WARN and "valid for 3 more days" in soon.detail
    over = home.found(ends + timedelta(days=1))
    assert over["certificate"].verdict == Verdict.FAIL and "coordinator" not in over


def test_a_profile_that_cannot_be_used(home: Home) -> None:
    home.key.chmod(0o644)
    assert home.found()["signing key"].fix == f"chmod 600 {home.key}"
    home.path.write_text("x")
    assert "not TOML" in home.found()["profile"].detail
    home.path.write_text('coordinator = "a:1"')
    assert "`ca` is missing" in home.found()["profile"].detail
    home.path.unlink()
    assert home.found()["profile"].verdict == Verdict.FAIL


def test_the_command_prints_lines_or_objects_and_exits_with_the_first_failure(
    home: Home, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor", "--profile", str(home.path), "-o", "json"]) == 7
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found[-1]["check"] == "coordinator" and found[-1]["fix"]
    assert main(["doctor", "--profile", str(home.path)]) == 7
    assert "✗ fail  coordinator" in capsys.readouterr().out
    assert doctor.lines([Finding("a", Verdict.OK, "b")])[-1] == "all is well"


def test_a_revoked_analyst_is_told_whom_to_ask(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused) as revoked:
        check_member(query_pb2.SignedRevocation(body=query_pb2.Revocation(members=["ann"])), "ann")

    class Refusing(grpc.RpcError):
        def trailing_metadata(self) -> Any:
            return ((DETAIL_KEY, to_detail(revoked.value).SerializeToString()),)

    class Stub:
        def __init__(self, _: object) -> None:
            pass

        def Welcome(self, *_: object, **__: object) -> None:  # noqa: N802
            raise Refusing

    monkeypatch.setattr("cotally.v1.analyst_pb2_grpc.AnalystsStub", Stub)
    own = home.federation.files["ann"]
    found = reach.roster({"coordinator": "127.0.0.1:1", "roster": "00" * 32, "name": "ann"}, {
        "ca": home.federation.ca, "certificate": own.certificate, "key": own.key})
    assert (found.status, found.detail) == (8, "the federation's operator has revoked ann")
    assert found.fix and "operator revoked this analyst: ask" in found.fix
