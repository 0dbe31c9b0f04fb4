"""What is printed: narrow, plain in a pipe, silent on request."""

import pytest

from cotally.client.tour.compare import Compared
from cotally.client.tour.stage import WIDTH, Stage

LONG = "a sentence that is longer than any terminal is wide " * 6


def everything(stage: Stage) -> None:
    stage.heading("1  An act")
    stage.say(LONG)
    stage.sql("SELECT COUNT(*)\nFROM people")
    stage.fact("price", LONG)
    stage.tick("roster", "pinned")
    stage.cross("BUDGET_SPENT", LONG)
    stage.lines(["a line"], style="dim")
    stage.answer(["region"], [
        [Compared(("north",), "mean_income", 12345.6, 12000.1, 12700.4, 12300.0)],
        [Compared(("south",), "mean_income", 11000.0, 10900.0, 11100.0, 12300.0)],
        [Compared(("nowhere",), "mean_income", None, None, None, None)]])


def test_a_pipe_gets_plain_narrow_text(capsys: pytest.CaptureFixture[str]) -> None:
    everything(Stage())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert all(len(line) <= WIDTH for line in out.splitlines())
    assert not any(line != line.rstrip() for line in out.splitlines())
    assert "  SELECT COUNT(*)\n  FROM people\n" in out


def test_numbers_stand_with_error_bar_truth_and_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    everything(Stage())
    lines = capsys.readouterr().out.splitlines()
    [north] = [line.split() for line in lines if "north" in line]
    [south] = [line.split() for line in lines if "south" in line]
    [nowhere] = [line.split() for line in lines if "nowhere" in line]
    assert north == ["north", "12,346", "350", "12,300", "✓"]
    assert south == ["south", "11,000", "100", "12,300", "✗"]
    assert nowhere == ["nowhere", "–", "–", "–", "–"]


def test_commands_are_never_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    Stage().commands([LONG.strip()])
    assert capsys.readouterr().out == f"  {LONG.strip()}\n"


def test_control_characters_do_not_pass(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage()
    stage.say("red \x1b[31m")
    stage.cross("X", "bell \x07")
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x07" not in out


def test_a_quiet_stage_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(quiet=True)
    everything(stage)
    stage.commands(["x"])
    stage.gap()
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
