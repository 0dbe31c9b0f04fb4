"""The acts of a tour that ask: a price, an answer beside the truth, a refusal."""

import time
from dataclasses import dataclass
from typing import Any

from cotally.v1.refusals import Refused

from ..connection import Connection
from ..explain import Explanation
from ..release import Release
from .compare import Compared, compare, tally
from .script import Forbidden, Question
from .stage import Stage


@dataclass(frozen=True, slots=True)
class Answered:
    """A question with its release, set beside the truth."""

    question: Question
    release: Release
    compared: list[list[Compared]]
    seconds: float

    @property
    def tally(self) -> tuple[int, int]:
        """How many intervals cover the truth, of how many."""
        return tally(self.compared)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        covered, intervals = self.tally
        return {"title": self.question.title, "sql": self.question.sql, "release": self.release.to_dict(),
                "intervals": [each.to_dict() for row in self.compared for each in row],
                "covered": covered, "of": intervals, "seconds": round(self.seconds, 2)}


def price(stage: Stage, con: Connection, question: Question) -> Explanation:
    """Ask what *question* would cost; free."""
    explanation = con.sql(question.sql).explain()
    stage.sql(question.sql)
    stage.gap()
    privacy, percent = explanation.privacy, 100 * float(explanation.query.privacy.confidence)
    at = f" at delta {privacy['delta']:g}" if privacy["delta"] else ""
    rho = "" if explanation.rho is None else f", which is rho {explanation.rho}"
    stage.fact("price", f"epsilon {privacy['epsilon']:g}{at}{rho}")
    for alias, error in explanation.errors.items():
        expected = "no bound" if error is None else f"± {error:,.0f} in every group, {percent:g} % sure"
        stage.fact(alias, expected)
    if explanation.condition:
        stage.fact("note", explanation.condition)
    stage.fact("taking part", ", ".join(explanation.departments))
    return explanation


def answer(stage: Stage, con: Connection, question: Question) -> Answered:
    """Ask *question*, spend its price, show the answer beside the truth."""
    stage.say(question.note)
    stage.sql(question.sql)
    begun = time.monotonic()
    with stage.watch() as watch:
        release = con.sql(question.sql).run(watch)
    compared = compare(release.rows, release.statistics, release.departments, question.truth)
    answered = Answered(question, release, compared, time.monotonic() - begun)
    stage.answer(release.keys, answered.compared)
    covered, intervals = answered.tally
    stage.gap()
    stage.lines([f"{covered} of {intervals} intervals hold the truth. "
                 f"Answered, proved and checked in {answered.seconds:.1f} s.", release.caption], style="dim")
    if release.missing:
        stage.lines([f"Without {', '.join(release.missing)}, too slow this time: the truth beside it is that "
                     "of the others."], style="yellow")
    return answered


def refused(stage: Stage, con: Connection, forbidden: Forbidden) -> dict[str, Any]:
    """Ask what must be refused, and show how it is; raises what went wrong otherwise."""
    try:
        con.sql(forbidden.sql).run()
    except Refused as reason:
        if reason.refusal is not forbidden.refusal:
            raise
        stage.say(forbidden.title)
        stage.sql(forbidden.sql)
        stage.gap()
        stage.cross(reason.refusal, reason.message)
        return {"title": forbidden.title, "sql": forbidden.sql, "refusal": str(reason.refusal),
                "message": reason.message}
    raise AssertionError("a question that must be refused was answered")
