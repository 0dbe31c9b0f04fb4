"""Roles are started in order, awaited, told where the coordinator is, and stopped, whatever they do."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from cotally.server.ops.sandbox.roles import Role, Roles, SandboxFailed, last_words
from cotally.server.ops.sandbox.signals import Stopped
from cotally.server.ops.sandbox.watchdog import Watchdog

# Stands for a role: reads its config, does what `behaviour` in it says.
FAKE = """
import json, os, pathlib, signal, sys, time, tomllib
role, config = sys.argv[1], pathlib.Path(sys.argv[2])
values = tomllib.loads(config.read_text())
state = config.parent / "state"
state.mkdir(exist_ok=True)
if values["behaviour"] == "dies":
    print("noise", file=sys.stderr)
    print(json.dumps({"level": "error", "message": "the data file vanished"}), file=sys.stderr)
    sys.exit(3)
if values["behaviour"] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if role == "coordinator":
    assert values["listen"].endswith(":0"), values
    (state / "address").write_text("127.0.0.1:4711")
else:
    (state / "seen").write_text(values["coordinator"])
if values["behaviour"] != "hangs":
    (state / "ready").write_text(str(os.getpid()))
time.sleep(600)
"""

Make = Callable[..., Roles]


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    dog = Watchdog()
    yield dog
    dog.release()


@pytest.fixture
def make(tmp_path: Path, watchdog: Watchdog) -> Iterator[Make]:
    """Makes the roles of a federation of fakes; stops them in the end."""
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    made: list[Roles] = []

    def argv(role: str, config: Path) -> Sequence[str]:
        return [sys.executable, str(script), role, str(config)]

    def make_roles(node: str, pulse: Callable[[], None] = lambda: None) -> Roles:
        described = []
        for role, name, behaviour in [("coordinator", "coordinator", "serves"),
                                      ("keyholder", "keyholder-1", "serves"), ("node", "north", node)]:
            config = tmp_path / name / "config.toml"
            config.parent.mkdir()
            config.write_text('listen = "127.0.0.1:1"\ncoordinator = "127.0.0.1:1"\n'
                              f'behaviour = "{behaviour}"\n')
            described.append(Role(role, name, config, tmp_path / "logs" / f"{name}.log"))
        made.append(Roles(described, watchdog, pulse, argv))
        return made[-1]

    yield make_roles
    for roles in made:
        roles.stop()


def running(pid: object) -> bool:
    assert isinstance(pid, int)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_members_learn_the_address_and_all_are_described(make: Make, tmp_path: Path) -> None:
    roles = make("serves")
    roles.start(lambda _: None)
    assert roles.address == "127.0.0.1:4711"
    assert (tmp_path / "north" / "state" / "seen").read_text() == "127.0.0.1:4711"
    assert 'listen = "127.0.0.1:4711"' in (tmp_path / "coordinator" / "config.toml").read_text()
    described = roles.describe()
    assert [(d["role"], d["name"], d["port"]) for d in described] == [
        ("coordinator", "coordinator", 4711), ("keyholder", "keyholder-1", None), ("node", "north", None)]
    assert all(running(d["pid"]) for d in described)
    roles.stop()
    assert not any(running(d["pid"]) for d in described)
    roles.stop()


def test_what_an_earlier_run_left_does_not_count(make: Make, tmp_path: Path) -> None:
    roles = make("hangs", pulse=stop_after(0.5))
    for name in ("coordinator", "keyholder-1", "north"):
        (tmp_path / name / "state").mkdir()
        (tmp_path / name / "state" / "ready").write_text("1")
    (tmp_path / "coordinator" / "state" / "address").write_text("127.0.0.1:1")
    with pytest.raises(Stopped):
        roles.start(lambda _: None)


def stop_after(seconds: float) -> Callable[[], None]:
    begin = time.monotonic()

    def pulse() -> None:
        if time.monotonic() - begin > seconds:
            raise Stopped(signal.SIGINT)
    return pulse


def test_an_early_death_is_told_in_the_roles_own_words(make: Make) -> None:
    roles = make("dies")
    with pytest.raises(SandboxFailed, match=r"node north ended with status 3 .*: the data file vanished$"):
        roles.start(lambda _: None)


def test_a_role_that_never_gets_ready_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotally.server.ops.sandbox.roles.READY_S", 0.5)
    monkeypatch.setattr("cotally.server.ops.sandbox.roles.REPORT_S", 0.2)
    said: list[str] = []
    with pytest.raises(SandboxFailed, match="node north was not ready"):
        make("hangs").start(said.append)
    assert said[-1] == "still waiting for node north"


def test_a_role_that_will_not_stop_is_killed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotally.server.ops.sandbox.roles.GRACE_S", 0.3)
    roles = make("stubborn")
    roles.start(lambda _: None)
    pids = [d["pid"] for d in roles.describe()]
    roles.stop()
    assert not any(map(running, pids))


def test_a_death_while_serving_is_told_once(make: Make) -> None:
    roles = make("serves")
    roles.start(lambda _: None)
    assert roles.ended() == []
    pid = roles.describe()[2]["pid"]
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not (told := roles.ended()) and time.monotonic() < deadline:
        time.sleep(0.02)
    (sentence,) = told
    assert sentence.startswith("node north ended with status -9")
    assert roles.ended() == []


def test_last_words_fall_back_to_plain_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert "said nothing" in last_words(log)
    log.write_text("Traceback\nValueError: no\n")
    assert last_words(log) == "Traceback / ValueError: no"


@pytest.mark.parametrize("entries, says", [
    ([{"level": "error", "message": "clear"}, {"level": "info", "event": "stopped"}], "clear"),
    ([{"level": "warning", "message": "a note"}, {"level": "error", "event": "internal_error",
                                                   "exception": "TypeError"}], "internal_error (TypeError)"),
    ([{"level": "error", "message": "first"}, {"level": "error", "message": "second"}], "second"),
])
def test_last_words_are_the_last_error(tmp_path: Path, entries: list[dict[str, str]], says: str) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert last_words(log).startswith(says)
