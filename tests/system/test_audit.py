"""The auditor's commands on a running federation, and offline afterwards."""

import json
from pathlib import Path
from typing import Any

from tests.system.holdings import COUNT
from tests.system.running import Running, run


def test_a_log_is_saved_gone_on_from_and_verified_offline(federation: Running, tmp_path: Path) -> None:
    profile = {"COTALLY_PROFILE": str(federation.profile())}
    with federation.connect() as con:
        pin = con.profile.roster.hex()
    path, kept = tmp_path / "log.audit", tmp_path / "kept.audit"
    assert federation.query(COUNT).status == 0
    first = run("audit", "save", path, environment=profile)
    assert first.status == 0, first.err
    kept.write_bytes(path.read_bytes())
    asked = federation.query(COUNT)
    assert asked.status == 0
    assert run("audit", "save", path, environment=profile).json["size"] >= first.json["size"] + 4
    audited = run("audit", "verify", path, kept, "--roster", pin)
    assert audited.status == 0, audited.err
    told = audited.json
    assert told["verified"] and not told["findings"] and told["checkpoints"] == 2
    assert run("audit", "verify", environment=profile).json["verified"]

    # What the log adds up to is what the coordinator says, where it has anything to say.
    said = run("budget", environment=profile)
    stated = {named(b): b for b in map(json.loads, said.out.splitlines())}
    shared = [budget for budget in told["budgets"] if named(budget) in stated]
    assert {budget["filter"] for budget in shared} == {"department", "population", "analyst", "purpose"}
    for budget in shared:
        for what in ("cumulative_rho", "left_rho"):
            assert budget[what] == stated[named(budget)][what], named(budget)

    data = bytearray(path.read_bytes())
    data[len(data) - 400] ^= 1
    path.write_bytes(data)
    broken = run("audit", "verify", path, "--roster", pin)
    assert broken.status == 3 and "entry" in broken.message


def named(budget: dict[str, Any]) -> tuple[str, ...]:
    """Which filter it is."""
    return budget["filter"], budget["name"], budget["population"], budget.get("purpose", "")


def test_a_question_is_priced_against_every_filter(federation: Running) -> None:
    ran = run("budget", "--query", COUNT, environment={"COTALLY_PROFILE": str(federation.profile())})
    assert ran.status == 0 and ran.json["affordable"]
    kinds = {"department", "population", "analyst"}
    assert {each["filter"] for each in ran.json["filters"]} - {"purpose"} == kinds
    assert all(each["fits"] for each in ran.json["filters"])
