"""What an officer signs reaches a running federation in seconds; what left a department is on its record."""

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

import pytest

from cotally.v1 import query_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused
from tests.system.asking import Step, ask, leaves, log_of
from tests.system.running import Running, eventually, run

FRESH = "SELECT COUNT(*) AS n FROM people GROUP BY sex WITH PRIVACY (rho = 0.001, replay = false)"
EFFECT_S = 5.0  # from the signed list to its effect


@contextmanager
def revoked(federation: Running, *words: str) -> Iterator[None]:
    """Inside, every department has revoked what *words* say; lifted at the end."""
    def everywhere(*more: str) -> None:
        files = [federation.roles[name].config for name in federation.nodes]
        with ThreadPoolExecutor(len(files)) as pool:
            for ran in pool.map(lambda file: run("node", "revoke", file, *words, *more), files):
                assert ran.status == 0, ran

    everywhere("-o", "json")
    try:
        yield
    finally:
        everywhere("--lift")
        eventually(lambda: all(not serials(federation, name)[-1].analysts for name in federation.nodes),
                   "the lifted lists are in the log")


def serials(federation: Running, issuer: str) -> list[query_pb2.Revocation]:
    """The issuer's lists in the log, in order."""
    return [e.revocation.revocation.body for e in log_of(federation)
            if e.HasField("revocation") and e.revocation.revocation.body.issuer == issuer]


def test_a_revoked_analyst_is_refused_within_seconds_and_others_are_not(federation: Running) -> None:
    assert federation.query(FRESH).status == 0
    with revoked(federation, "--analyst", "analyst"):
        eventually(lambda: all(serials(federation, name) for name in federation.nodes), "the log holds them")
        for name in federation.nodes:
            body = serials(federation, name)[-1]
            counted = federation.said(name, "revocations", message=f"serial {body.serial} counts")[0]["time"]
            assert datetime.fromisoformat(counted).timestamp() - body.issued_ms / 1000 < EFFECT_S
        ran = federation.query(FRESH, "-o", "json")
        assert ran.refusal == Refusal.NOT_ALLOWED and "has revoked" in ran.message
        assert federation.query(FRESH, analyst="reader").status == 0
    assert federation.query(FRESH).status == 0


def test_a_revocation_in_mid_round_ends_it_spent_and_unrevealed(federation: Running) -> None:
    federation.pause("keyholder-1", "keyholder-2", "keyholder-3")  # nothing is decrypted meanwhile
    east = federation.roles["east"].config
    try:
        with federation.connect() as con:
            def revoke(_: str) -> None:
                assert run("node", "revoke", east, "--analyst", "analyst").status == 0

            with pytest.raises(Refused, match="has revoked") as caught:
                ask(con, Step.STEP_FROZEN, revoke, sql=FRESH)
            assert caught.value.refusal is Refusal.NOT_ALLOWED
    finally:
        federation.resume("keyholder-1", "keyholder-2", "keyholder-3")
        assert run("node", "revoke", east, "--analyst", "analyst", "--lift").status == 0
    ends = [e for e in log_of(federation) if e.WhichOneof("leaf") in ("dead", "release")]
    assert ends[-1].dead.reason == Refusal.NOT_ALLOWED and not ends[-1].dead.departments
    eventually(lambda: serials(federation, "east") and not serials(federation, "east")[-1].analysts, "lifted")


def test_the_operator_revokes_a_member(federation: Running) -> None:
    config = federation.roles["coordinator"].config
    assert run("coordinator", "revoke", config, "--member", "reader").status == 0
    try:
        eventually(lambda: federation.query(FRESH, analyst="reader").status == 8, "reader is refused")
        assert federation.query(FRESH).status == 0
    finally:
        assert run("coordinator", "revoke", config, "--member", "reader", "--lift").status == 0
    eventually(lambda: federation.query(FRESH, analyst="reader").status == 0, "reader is back")


def test_what_left_a_department_is_on_its_record(federation: Running) -> None:
    with federation.connect() as con:
        bundle = con.sql(FRESH).run()._verified.bundle
    round_ = digest("announcement", bundle.announcement.body)
    config = federation.roles["east"].config
    shown = run("node", "sent", config, "--round", round_.hex(), "-o", "json").json["entries"]
    theirs = {r.node: r.reveal.hex() for r in bundle.transcript.reveals}
    committed = {c.body.node: digest("commitment", c.body).hex() for c in bundle.frozen.body.commitments}
    assert [(e["kind"], e["digest"]) for e in shown] == [
        ("Commit", committed["east"]), ("Reveal", theirs["east"])]
    everything = run("node", "sent", config, "-o", "json").json
    kinds = {e["kind"] for e in everything["entries"]}
    assert {"Listen", "Commit", "Reveal", "Cosign"} <= kinds and everything["count"] > len(shown)
    grants = [e.grant for e in log_of(federation) if e.HasField("grant")]
    assert {(g.department, g.analyst) for g in grants} >= {(n, "analyst") for n in theirs}
    assert leaves(log_of(federation), "transcript", round_)


def test_a_changed_record_is_named(federation: Running) -> None:
    federation.stop("east")
    path = federation.roles["east"].state / "sent.db"
    with sqlite3.connect(path) as db:
        kept = db.execute("SELECT digest FROM sent WHERE position = 1").fetchone()[0]
        db.execute("UPDATE sent SET digest = zeroblob(32) WHERE position = 1")
    try:
        ran = run("node", "sent", federation.roles["east"].config, "-o", "json")
        assert ran.status == 4 and "entry 1 " in json.loads(ran.err)["message"]
    finally:
        with sqlite3.connect(path) as db:
            db.execute("UPDATE sent SET digest = ? WHERE position = 1", (kept,))
    assert run("node", "sent", federation.roles["east"].config).status == 0
