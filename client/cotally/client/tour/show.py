"""The tour, act by act. Returns what it saw as plain values, for the summary."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..budget import Filter
from ..cli.digits import loss
from ..cli.output import cell, new_table
from ..connection import Connection
from ..profile import Profile
from ..release import Release
from .answers import Answered, answer, price, refused
from .keepsakes import RELEASE, draw, forge
from .script import Script
from .stage import Stage

_EXAMPLE: Final = "mydemo"
_QUESTION: Final = ("SELECT activity, AVG(visits) FROM residents GROUP BY activity "
                    "WITH PRIVACY (epsilon = 0.3)")


@dataclass(frozen=True, slots=True)
class Home:
    """Where spec and federation lie, whether they stay there, and where keepsakes go."""

    folder: Path
    kept: bool
    into: Path
    cotally: str  # how the command is typed there


def tour(stage: Stage, script: Script, profile: Profile, home: Home) -> dict[str, Any]:
    """Show everything to *stage*; raise Refused where the federation will not play."""
    seen: dict[str, Any] = {"people": script.people, "seed": script.seed}
    with Connection(profile) as con:
        stage.heading("1  A federation of departments")
        seen |= _overview(stage, con, script)
        stage.heading("2  A price before the question")
        stage.say("Every answer costs privacy, and the price is known beforehand. Asking for it is free:")
        seen["price"] = price(stage, con, script.questions[0]).to_dict()
        answers = _answers(stage, con, script)
        seen["questions"] = [each.to_dict() for each in answers]
        seen["covered"], seen["intervals"] = _verdict(stage, answers)
        stage.heading(f"{len(answers) + 3}  What is refused")
        seen["refused"] = [refused(stage, con, each) for each in script.forbidden]
        stage.heading(f"{len(answers) + 4}  The budgets now")
        seen["budgets"] = _budgets(stage, con.filters())
        stage.heading(f"{len(answers) + 5}  Believe nothing: verify it")
        seen["log"] = _log(stage, con)
    with _writable(home.into) as into:
        seen["release"] = _verified(stage, answers[0].release, profile.roster, into)
        seen["picture"] = _picture(stage, answers, into)
        if into != home.into:  # and will be gone at once
            seen["release"]["file"] = seen["picture"] = None
    stage.heading("What to try next")
    _next(stage, profile, home)
    return seen


def _overview(stage: Stage, con: Connection, script: Script) -> dict[str, Any]:
    catalog = con.catalog
    policy, key = con.charter.roster.policy, con.charter.public_key
    bits = int.from_bytes(key.modulus, "big").bit_length()
    stage.say(f"{catalog.federation} is an invented country of {script.people:,} people (seed "
              f"{script.seed}). Its departments run on this machine, each a process of its own with its own "
              "files. No record leaves a department: what travels is sums with noise in them, encrypted "
              f"under a key of {bits} bits that nobody holds. It takes {policy.threshold} of "
              f"{key.key_holders} key holders to open a finished answer, and they open nothing else.")
    table = new_table(left=("table",), right=("expected people", "overlap"))
    table.add_column("held by", overflow="fold")
    for each in catalog.tables:
        table.add_row(cell(each.name), cell(f"{each.expected_people:,}"), cell(each.overlap),
                      cell(", ".join(each.holders)))
    stage.table(table)
    stage.gap()
    for each in catalog.tables:
        stage.fact(each.name, ", ".join(column.name for column in each.columns))
    return {"federation": catalog.federation, "key_bits": bits,
            "departments": sorted({h for t in catalog.tables for h in t.holders}),
            "tables": [t.name for t in catalog.tables]}


def _answers(stage: Stage, con: Connection, script: Script) -> list[Answered]:
    answers = []
    for number, question in enumerate(script.questions, start=3):
        stage.heading(f"{number}  {question.title}")
        answers.append(answer(stage, con, question))
    return answers


def _verdict(stage: Stage, answers: Sequence[Answered]) -> tuple[int, int]:
    covered = sum(each.tally[0] for each in answers)
    intervals = sum(each.tally[1] for each in answers)
    share = answers[0].release.confidence
    stage.say(f"In all, {covered} of {intervals} intervals hold the truth. They promise {share * 100:g} %, "
              f"so about {intervals * (1 - share):.0f} may miss. The truth stands here only because the "
              "people are invented; in real life nobody has it, and the error bars are all there is.")
    return covered, intervals


def _budgets(stage: Stage, filters: Sequence[Filter]) -> list[dict[str, Any]]:
    stage.say("Each department keeps a ledger of its own, the population has one over all departments, and "
              "so has the analyst. A question must fit them all. A refusal costs nothing.")
    told = [each.to_dict() for each in filters]
    table = new_table(left=("filter", "name"), right=("budget ε", "spent ε", "left ε", "spent ρ", "left ρ"))
    for each in told:
        table.add_row(cell(each["filter"]), cell(each["name"]), *(
            cell(loss(each[amount])) for amount in  # type: ignore[arg-type]
            ("budget_epsilon", "spent_epsilon", "left_epsilon", "spent_rho", "left_rho")))
    stage.table(table)
    stage.gap()
    stage.lines(["ρ adds up from question to question; ε is the same loss in other words, and does not."],
                style="dim")
    return told


def _log(stage: Stage, con: Connection) -> dict[str, Any]:
    stage.say("Departments and key holders watch over one public log of all this, records excepted. We fetch "
              "it and hash every entry again:")
    stage.gap()
    size, root = con.verify_log()
    stage.tick("audit log", f"{size} entries; their root {root[:16]} is the one that witnesses signed")
    return {"size": size, "root": root}


def _verified(stage: Stage, release: Release, roster: bytes, into: Path) -> dict[str, Any]:
    """Save *release*, verify it without the federation, and see a forged copy refused."""
    path = into / RELEASE
    release.save(path)
    size = path.stat().st_size
    stage.say(f"The first answer is saved to {_short(path)} ({size:,} bytes) with its whole proof. Offline "
              "now, we read it back and check it with nothing but the roster's fingerprint:")
    stage.gap()
    checks = Release.load(path, roster).checks
    for name, found in checks:
        stage.tick(name, found)
    forged = forge(path, roster)
    stage.say("And with a single released number raised by one:")
    stage.gap()
    stage.cross(forged.refusal, forged.message)
    return {"file": str(path), "bytes": size,
            "checks": [{"check": name, "found": found} for name, found in checks],
            "forged": {"refusal": forged.refusal, "message": forged.message}}


def _picture(stage: Stage, answers: Sequence[Answered], into: Path) -> str | None:
    """Draw the last statistic of the answer with the most keys; return where it is, if anywhere."""
    best = max(answers, key=lambda each: len(each.release.keys))
    picture = draw(best.release, best.release.statistics[-1], into)
    if picture is None:
        return None
    stage.say(f"A picture of \"{best.question.title}\" is in {_short(picture)}.")
    return str(picture)


@contextmanager
def _writable(folder: Path) -> Iterator[Path]:
    """*folder*, or one that goes away where it cannot be written to."""
    if os.access(folder, os.W_OK):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="cotally-tour-") as other:
        yield Path(other)


def _next(stage: Stage, profile: Profile, home: Home) -> None:
    cotally = home.cotally
    folder = _short(home.folder) if home.kept else _EXAMPLE
    inside = profile.path.relative_to(home.folder)
    saved = home.into / RELEASE
    if saved.exists():
        stage.say("Verify the saved answer yourself, now or in ten years:")
        stage.commands([f"{cotally} release verify {_short(saved)} \\",
                        f"    --roster {profile.roster.hex()}"])
    if not home.kept:
        stage.say(f"This federation is about to vanish. Have one that stays in ./{folder}:")
        stage.commands([f"{cotally} demo --keep {folder}"])
    stage.say("Let it run, for as long as you like:")
    stage.commands([f"{cotally} sandbox {folder}/demo.toml --dir {folder}/federation"])
    stage.say("And ask it something from another shell:")
    stage.commands([
        f"export COTALLY_PROFILE=$PWD/{folder}/{inside}" if not Path(folder).is_absolute()
        else f"export COTALLY_PROFILE={folder}/{inside}",
        f"{cotally} ls", f"{cotally} describe residents",
        f'{cotally} query "{_QUESTION}"'])
    stage.say(f"For a federation of your own, copy {folder}/demo.toml and put your own CSV or Parquet files "
              "in its `data`. `--help` after any command explains it.")


def _short(path: Path) -> str:
    """*path* from here where that is shorter."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
