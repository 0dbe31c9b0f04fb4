"""The auditor's commands on a running federation, and offline afterwards."""

import json
from pathlib import Path

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
    stated = {(b["filter"], b["name"], b["population"]): b for b in map(json.loads, said.out.splitlines())}
    for budget in told["budgets"]:
        if budget["filter"] != "purpose" and (key := (
                budget["filter"], budget["name"], budget["population"])) in stated:
            assert budget["cumulative_rho"] == stated[key]["cumulative_rho"], key
            assert budget["left_rho"] == stated[key]["left_rho"], key

    data = bytearray(path.read_bytes())
    data[len(data) - 400] ^= 1
    path.write_bytes(data)
    broken = run("audit", "verify", path, "--roster", pin)
    assert broken.status != 0 and "entry" in broken.message


def test_a_question_is_priced_against_every_filter(federation: Running) -> None:
    ran = run("budget", "--query", COUNT, environment={"COTALLY_PROFILE": str(federation.profile())})
    assert ran.status == 0 and ran.json["affordable"]
    assert {each["filter"] for each in ran.json["filters"]} == {"department", "population", "analyst"}
    assert all(each["fits"] for each in ran.json["filters"])
