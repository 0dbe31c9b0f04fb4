"""`cotally sandbox` as it is typed: arguments, folders, the guest's status, signals."""

import argparse
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cotally.server.ops.sandbox.command import command
from cotally.server.ops.sandbox.guest import check_guest, run_guest
from cotally.server.ops.sandbox.home import occupied, prepare
from cotally.server.ops.sandbox.roles import SandboxFailed
from cotally.server.ops.sandbox.signals import Signals, Stopped
from cotally.server.ops.sandbox.watchdog import Watchdog
from cotally.server.ops.spec import Spec, load_spec
from cotally.v1.commands import Command, Group, mount
from cotally.v1.refusals import Misconfigured

SPEC = """
[federation]
name = "one"
[[tables]]
name = "t"
unit = "row"
columns = [{ name = "x", type = "float", lower = 0, upper = 1.50, resolution = 0.1 }]
[[departments]]
name = "a"
budget = { epsilon = 1 }
data = { t = "t.csv" }
"""


@pytest.mark.parametrize("argv, spec, folder, rest", [
    (["S"], "S", None, []),
    (["S", "--dir", "D"], "S", "D", []),
    (["--dir", "D", "S", "--", "ls"], "S", "D", ["ls"]),
    (["S", "--dir", "D", "--", "python", "-c", "x", "--dir", "E", "--", "z"], "S", "D",
     ["python", "-c", "x", "--dir", "E", "--", "z"]),
    (["S", "--"], "S", None, []),
])
def test_what_follows_the_dashes_is_the_commands(
    argv: list[str], spec: str, folder: str | None, rest: list[str],
) -> None:
    parser = argparse.ArgumentParser()
    mount(parser.add_subparsers(required=True), command)
    args = parser.parse_args(["sandbox", *argv])
    assert (args.spec, args.dir, args.command) == (Path(spec), folder and Path(folder), rest)
    assert args.run == command.run


def test_groups_run_the_command_that_was_typed() -> None:
    class Say:
        name, help = "say", "say it"

        def configure(self, parser: argparse.ArgumentParser) -> None:
            parser.add_argument("word")

        def run(self, args: argparse.Namespace) -> int:
            return len(args.word)

    say: Command = Say()
    parser = argparse.ArgumentParser()
    mount(parser.add_subparsers(required=True), Group("outer", "holds", [Group("inner", "holds", [say])]))
    args = parser.parse_args(["outer", "inner", "say", "four"])
    assert args.run(args) == 4
    with pytest.raises(SystemExit):
        parser.parse_args(["outer"])


def test_stray_words_before_the_dashes_are_refused() -> None:
    parser = argparse.ArgumentParser()
    mount(parser.add_subparsers(required=True), command)
    with pytest.raises(SystemExit):
        parser.parse_args(["sandbox", "S", "ls", "--", "x"])


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    (tmp_path / "SPEC.toml").write_text(SPEC)
    return load_spec(tmp_path / "SPEC.toml")


def deal(into: Path) -> None:
    into.mkdir(mode=0o700)
    (into / "ca").mkdir()


def never(into: Path) -> None:
    raise AssertionError("nothing was to be dealt")


def quiet(_: str) -> None:
    pass


def test_a_kept_sandbox_is_resumed_by_the_same_spec_only(spec: Spec, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "kept"
    prepare(folder, spec, deal, quiet)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [p.name for p in folder.parent.iterdir()] == ["kept"]
    prepare(folder, spec, never, quiet)
    spec.file.write_text("# a remark\n" + SPEC.replace("\n[[", "\n\n[["))
    prepare(folder, load_spec(spec.file), never, quiet)
    more = SPEC + '[[analysts]]\nname = "x"'
    for change in (SPEC.replace("1.50", "1.6"), SPEC.replace("t.csv", "u.csv"), more):
        spec.file.write_text(change)
        with pytest.raises(Misconfigured, match="another spec"):
            prepare(folder, load_spec(spec.file), never, quiet)
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "SPEC.toml").write_text(SPEC)  # the same words, but other data
    with pytest.raises(Misconfigured, match="another spec"):
        prepare(folder, load_spec(tmp_path / "moved" / "SPEC.toml"), never, quiet)


def test_a_folder_of_something_else_is_left_alone(spec: Spec, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(Misconfigured, match="holds no sandbox"):
        prepare(tmp_path / "other", spec, never, quiet)
    with pytest.raises(Misconfigured, match="holds no sandbox"):
        prepare(tmp_path / "SPEC.toml", spec, never, quiet)
    (tmp_path / "empty").mkdir()
    prepare(tmp_path / "empty", spec, deal, quiet)


def test_a_ceremony_that_breaks_off_leaves_no_folder(spec: Spec, tmp_path: Path) -> None:
    def broken(into: Path) -> None:
        deal(into)
        raise Stopped(signal.SIGINT)
    with pytest.raises(Stopped):
        prepare(tmp_path / "kept", spec, broken, quiet)
    assert [p.name for p in tmp_path.iterdir()] == ["SPEC.toml"]


def test_one_sandbox_at_a_time(tmp_path: Path) -> None:
    with occupied(tmp_path), pytest.raises(Misconfigured, match="another sandbox"), occupied(tmp_path):
        pass
    with occupied(tmp_path):
        pass


def test_wrong_specs_and_missing_data_are_found_before_anything_starts(spec: Spec, tmp_path: Path) -> None:
    for path, says in [(tmp_path / "absent.toml", "no such file"), (spec.file, "there is no file")]:
        with pytest.raises(Misconfigured, match=says):
            command.run(argparse.Namespace(spec=path, dir=None, command=[]))


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    dog = Watchdog()
    yield dog
    dog.release()


def guest(watchdog: Watchdog, code: str, pulse: Callable[[], None] = lambda: None) -> int:
    return run_guest([sys.executable, "-c", code], {"COTALLY_PROFILE": "/p"}, watchdog, pulse)


@pytest.mark.parametrize("code, status", [
    ("pass", 0),
    ("raise SystemExit(7)", 7),
    ("import os; os.kill(os.getpid(), 9)", 137),
    ("import os; raise SystemExit(os.environ['COTALLY_PROFILE'] != '/p')", 0),
    ("import os, sys; raise SystemExit(os.path.dirname(sys.executable) not in os.environ['PATH'])", 0),
])
def test_the_guests_status_is_passed_on(watchdog: Watchdog, code: str, status: int) -> None:
    assert guest(watchdog, code) == status


def test_a_guest_that_does_not_exist(watchdog: Watchdog) -> None:
    with pytest.raises(SandboxFailed, match="no-such-command cannot be run"):
        run_guest(["no-such-command"], {}, watchdog, lambda: None)
    with pytest.raises(SandboxFailed, match="no-such-command cannot be run"):
        check_guest(["no-such-command", "x"])
    check_guest([])
    check_guest(["sh"])


@pytest.mark.parametrize("code", [
    "import time; open('pid', 'w').write(str(__import__('os').getpid())); time.sleep(60)",
    "import signal, time; signal.signal(2, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN);"
    "open('pid', 'w').write(str(__import__('os').getpid())); time.sleep(60)",
])
def test_a_signal_ends_the_guest_too(
    watchdog: Watchdog, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cotally.server.ops.sandbox.guest.GRACE_S", 0.3)
    pid = tmp_path / "pid"
    with Signals() as signals:
        def interrupt_when_up() -> None:
            if pid.exists() and pid.read_text():
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0)  # lets Python run the handler
            signals.check()

        with pytest.raises(Stopped) as stopped:
            guest(watchdog, code, interrupt_when_up)
    assert stopped.value.status == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_signals_are_noted_once_and_handlers_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Signals() as signals:
        signals.check()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped) as stopped:
            signals.check()
    assert stopped.value.status == 143
    assert signal.getsignal(signal.SIGTERM) is before
