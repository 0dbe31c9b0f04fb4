"""Reads what a tour shows: questions with their true answers, and questions that ought to be refused.

    {"people": 200000, "seed": 2026,
     "questions": [{"title": ..., "note": ..., "sql": ...,
                    "truth": [{"keys": ["north"], "values": {"people": 41, "mean_income": 30112.5}}]}],
     "forbidden": [{"title": ..., "sql": ..., "refusal": "BUDGET_SPENT"}]}

Truths are bounded truths (docs/sql.md), one entry per public group. Only whoever invented the people
can write such a file; no role of a federation ever sees it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotally.v1.refusals import Misconfigured, Refusal

Truth = Mapping[tuple[str, ...], Mapping[str, float]]
"""codes of the keys -> alias -> number."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, what to say before it, and its true answer."""

    title: str
    note: str
    sql: str
    truth: Truth


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A question, and how it must be refused."""

    title: str
    sql: str
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that a tour needs to know beforehand."""

    people: int
    seed: int
    questions: tuple[Question, ...]
    forbidden: tuple[Forbidden, ...]


def load(path: Path) -> Script:
    """The script in *path*; Misconfigured where there is none."""
    try:
        return parse(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Misconfigured(f"{path} is no script of a tour") from None


def parse(told: Mapping[str, Any]) -> Script:
    """The script in a parsed file; KeyError, TypeError or ValueError where it is none."""
    questions = tuple(Question(q["title"], q["note"], q["sql"], _truth(q["truth"]))
                      for q in told["questions"])
    forbidden = tuple(Forbidden(f["title"], f["sql"], Refusal(f["refusal"])) for f in told["forbidden"])
    return Script(int(told["people"]), int(told["seed"]), questions, forbidden)


def _truth(groups: Any) -> Truth:
    return {tuple(group["keys"]): {alias: float(v) for alias, v in group["values"].items()}
            for group in groups}
