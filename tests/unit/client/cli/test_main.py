"""The program around the commands: help, usage, other packages' commands, and errors of every kind."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from cotally.client.cli import catalogue, main, overview
from cotally.client.cli.errors import Style, report
from cotally.client.cli.plain import plain
from cotally.server.crypto.signing import SigningKey
from cotally.v1.refusals import Misconfigured
from tests.unit.loopback import Federation

Run = Callable[..., tuple[int, str, str]]
OWN = sorted(catalogue.OWN)


def cotally(*argv: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a shell would, with the environment *changed* and nothing else."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "cotally.client.cli.main", *argv], capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONUTF8": "1", **changed}, timeout=60)


class Planted:
    """A command of another package that does what it is told."""

    name = "planted"
    help = "one line"
    error: BaseException | None = None

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("-o", choices=["text", "json"], default="text", dest="output")

    def run(self, args: argparse.Namespace) -> int:
        if self.error:
            raise self.error
        return 17


planted = Planted()


@pytest.fixture
def announce(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Make entry points of our group be exactly one."""
    def only(name: str, value: str) -> None:
        entries = EntryPoints([EntryPoint(name, value, "cotally.commands")])
        monkeypatch.setattr(catalogue, "entry_points", lambda **by: entries.select(**by))
    return only


@pytest.mark.parametrize("argv", [(), ("--help",), ("-h",), ("help",)])
def test_the_help_lists_commands_by_who_uses_them(run: Run, argv: tuple[str, ...]) -> None:
    status, out, err = run(*argv)
    assert (status, err) == (0, "")
    assert out.index("Analysts") < out.index("  query") < out.index("Departments and") < out.index("  node")
    assert all(len(line) <= 110 for line in out.splitlines())


def test_the_overview_knows_every_command_and_lists_strangers() -> None:
    shown = {name for _, commands in overview.GROUPS for name, _ in commands}
    assert shown >= set(catalogue.names())
    assert "Added by other packages\n  stranger" in overview.text(["query", "stranger"])
    assert "keyholder" not in overview.text(["query"])


@pytest.mark.parametrize("name", OWN)
def test_each_command_teaches_with_an_example(run: Run, name: str) -> None:
    command = catalogue.load(name)
    assert command is not None
    assert dict(c for _, commands in overview.GROUPS for c in commands)[name] == command.help
    below = [c.name for c in getattr(command, "commands", ())]
    for words in [[name, sub] for sub in below] or [[name]]:
        status, out, _ = run(*words, "--help")
        assert status == 0 and "Example" in out and f"cotally {' '.join(words)}" in out
        assert run("help", *words)[1] == out


@pytest.mark.parametrize("argv, said", [
    (("qeury",), "did you mean `cotally query`?"), (("xyzzy",), "there is no command 'xyzzy'"),
    (("release", "svae"), "did you mean 'save'?"), (("query",), "required: SQL"),
    (("query", "a", "-o", "yaml"), "choose from table, json, csv"), (("--frob",), "not an option"),
    (("ls", "extra"), "unrecognized arguments: extra"),
])
def test_bad_usage_is_one_sentence_and_2(run: Run, argv: tuple[str, ...], said: str) -> None:
    status, out, err = run(*argv)
    assert (status, out) == (2, "")
    assert said in err and "Traceback" not in err and len(err.splitlines()) <= 2


def test_usage_is_told_as_json_where_json_was_wanted(run: Run) -> None:
    assert json.loads(run("query", "-o", "json")[2])["refusal"] == "MALFORMED"
    assert run("query", "-o", "table")[2].startswith("error: ")
    assert run("doctor", "--frob")[2].startswith("error: ")


def test_commands_of_other_packages_are_mounted(run: Run, announce: Any) -> None:
    announce("planted", f"{__name__}:planted")
    assert run("planted") == (17, "", "")
    assert "Added by other packages\n  planted" in run()[1]


@pytest.mark.parametrize("value, said", [
    ("a_package_that_is_not_there:command", "needs a_package_that_is_not_there, which is not installed: "
                                            "pip install 'cotally[node]'"),
    ("cotally.server.not_there:command", "is not in this installation: there is no cotally.server.not_there"),
    ("json:dumps", "provides no command"),
])
def test_a_missing_extra_is_one_sentence(run: Run, announce: Any, value: str, said: str) -> None:
    announce("node", value)
    status, _, err = run("node", "run")
    assert status == 3 and said in err and "Traceback" not in err


def test_what_a_command_misses_when_it_runs_is_told_alike(
    run: Run, announce: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:
    announce("planted", f"{__name__}:planted")
    monkeypatch.setattr(planted, "error", ModuleNotFoundError("no", name="duckdb.core"))
    status, _, err = run("planted")
    assert status == 3 and "needs duckdb" in err and "cotally[all]" in err


def test_a_bug_is_one_sentence_and_the_traceback_on_demand(
    run: Run, announce: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:
    announce("planted", f"{__name__}:planted")
    monkeypatch.setattr(planted, "error", ValueError("a value of a record"))
    status, _, err = run("planted")
    assert status == 1 and "ValueError" in err and "COTALLY_DEBUG=1" in err
    assert "Traceback" not in err and "a value of a record" not in err
    assert json.loads(run("planted", "-o", "json")[2])["refusal"] == "INTERNAL"
    monkeypatch.setenv("COTALLY_DEBUG", "1")
    assert "Traceback" in run("planted")[2]


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(KeyboardInterrupt(), Style(json=False)) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


def test_a_reader_that_has_seen_enough_is_no_error(
    run: Run, announce: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:
    announce("planted", f"{__name__}:planted")
    monkeypatch.setattr(planted, "error", BrokenPipeError())
    monkeypatch.setattr(main, "_close_quietly", lambda: None)
    assert run("planted") == (0, "", "")


def test_messages_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    report(Misconfigured("a\x1b[2J\nb\u202ec"), Style(json=False))
    assert capsys.readouterr().err == "error: a\ufffd[2J b\ufffdc\n"
    assert plain("Île ± …") == "Île ± …"


def test_help_loads_neither_servers_nor_anything_slow() -> None:
    probe = ("import sys; from cotally.client.cli.main import main; main(['query', '--help']); "
             "print(*sorted({m.partition('.')[0] for m in sys.modules} | {m for m in sys.modules "
             "if m.startswith('cotally.server')}))")
    done = subprocess.run([sys.executable, "-P", "-c", probe], capture_output=True, text=True, timeout=60)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "argparse" in loaded
    assert not loaded & {"pandas", "numpy", "grpc", "google", "rich", "sqlglot", "cryptography", "gmpy2",
                         "opendp", "duckdb", "sqlalchemy"}
    assert not any(name.startswith("cotally.server") for name in loaded)


def test_without_a_profile_the_program_says_which_and_exits_3(tmp_path: Path) -> None:
    done = cotally("ls", "-o", "table")
    assert done.returncode == 3 and "COTALLY_PROFILE" in done.stderr and "--profile" in done.stderr
    done = cotally("query", "SELECT", COTALLY_PROFILE=str(tmp_path / "none.toml"))
    assert done.returncode == 3
    assert json.loads(done.stderr) == {
        "refusal": "MISCONFIGURED", "message": f"{tmp_path}/none.toml: there is no such profile"}


def test_a_coordinator_that_is_not_there_is_7(tmp_path: Path) -> None:
    made = Federation.create(tmp_path)
    files = made.files["ann"]
    SigningKey.generate().save(tmp_path / "sign.key")
    profile = tmp_path / "profile.toml"
    profile.write_text(
        f'name = "ann"\ncoordinator = "127.0.0.1:1"\nca = "{made.ca}"\ncertificate = "{files.certificate}"\n'
        f'key = "{files.key}"\nsigning_key = "sign.key"\nroster = "{"ab" * 32}"\n'
        'purposes = ["statistics"]\n')
    done = cotally("ls", "--profile", str(profile))
    assert done.returncode == 7, done.stderr
    assert json.loads(done.stderr)["refusal"] == "UNREACHABLE"
    assert "nothing listens at 127.0.0.1:1" in done.stderr
