"""`cotally node revoke` and `cotally coordinator revoke`: what can be taken back, and what is said of it."""

import argparse
import json
from pathlib import Path

import pytest

from cotally.server.ops import revoke, revoke_member
from cotally.server.settings.revocations import read_list
from cotally.server.wire.signed import sign
from cotally.v1 import query_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured
from tests.crash.founding import Founded


def run(command: revoke.RevokeCommand | revoke_member.RevokeMemberCommand, *words: object) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def granted(founded: Founded, department: str) -> Path:
    """The file of a grant that *department* signed for the first analyst, for two purposes."""
    path = next(iter(sorted((founded.folder / f"{department}-grants").glob("*.grant"))))
    grant = query_pb2.SignedGrant.FromString(path.read_bytes())
    grant.body.purposes[:] = ["planning", "statistics"]
    grant.signature = sign(founded.keys[department], "grant", grant.body)
    path.write_bytes(grant.SerializeToString())
    return path


def analyst(path: Path) -> str:
    return query_pb2.SignedGrant.FromString(path.read_bytes()).body.analyst


def test_only_a_purpose_that_was_granted_is_taken_back(founded: Founded) -> None:
    path = granted(founded, "east")
    config, who = founded.folder / "east.toml", analyst(path)
    with pytest.raises(Misconfigured, match=r"'nonsense': east has granted .* only 'planning', 'statistics'"):
        run(revoke.command, config, "--analyst", who, "--purpose", "planning", "--purpose", "nonsense")
    assert read_list(path.parent / "revocations.bin") is None
    assert run(revoke.command, config, "--analyst", who, "--purpose", "planning") == 0
    path.unlink()  # what was granted is not known any more
    assert run(revoke.command, config, "--analyst", who, "--purpose", "nonsense") == 0
    granted(founded, "north").rename(path)  # another department's says nothing of it
    assert run(revoke.command, config, "--analyst", who, "--purpose", "nonsense") == 0


def test_what_stands_on_a_list_is_lifted_whatever_was_granted(founded: Founded) -> None:
    path = granted(founded, "east")
    config, words = founded.folder / "east.toml", ("--analyst", analyst(path), "--purpose", "nonsense")
    data = path.read_bytes()
    path.unlink()
    assert run(revoke.command, config, *words) == 0
    path.write_bytes(data)
    assert run(revoke.command, config, *words, "--lift") == 0


def test_only_its_own_grants_are_taken_back(founded: Founded) -> None:
    theirs, ours = granted(founded, "north"), granted(founded, "east")
    config = founded.folder / "east.toml"
    with pytest.raises(Misconfigured, match=r"a grant of 'north' to .*; east takes back only its own"):
        run(revoke.command, config, "--grant", theirs)
    earlier = query_pb2.SignedGrant.FromString(ours.read_bytes())
    earlier.body.founding = bytes(32)
    other = founded.folder / "earlier.grant"
    other.write_bytes(earlier.SerializeToString())
    with pytest.raises(Misconfigured, match="of an earlier federation"):
        run(revoke.command, config, "--grant", other)
    assert run(revoke.command, config, "--grant", ours) == 0
    made = read_list(ours.parent / "revocations.bin")
    assert made is not None and list(made.body.grants) == [
        digest("grant", query_pb2.SignedGrant.FromString(ours.read_bytes()).body)]


def test_lifting_names_the_members_that_have_to_be_started_again(
    founded: Founded, capsys: pytest.CaptureFixture[str],
) -> None:
    config, who = founded.folder / "coordinator.toml", analyst(granted(founded, "east"))
    words = ("--member", "north", "--member", who)
    assert run(revoke_member.command, config, *words) == 0
    assert "start" not in capsys.readouterr().out.splitlines()[-1].split()
    assert run(revoke_member.command, config, *words, "--lift") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("start north again") and "status 8" in last
    run(revoke_member.command, config, *words)
    capsys.readouterr()
    assert run(revoke_member.command, config, *words, "--lift", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["start_again"] == ["north"]
