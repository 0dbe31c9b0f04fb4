"""Reads what a tour shows: questions with their true answers, and questions that ought to be refused.

    {"people": 200000, "seed": 2026,
     "questions": [{"title": ..., "note": ..., "sql": ...,
                    "truth": [{"keys": ["north"], "parts": {"people": {"tax": [41, null], ...},
                                                            "income": {"tax": [30112, 40], ...}}}]}],
     "forbidden": [{"title": ..., "sql": ..., "refusal": "BUDGET_SPENT"}]}

Truths are bounded truths (docs/sql.md), one entry per public group. A number is the sum of its parts
from the departments that took part; where parts have a second number, it is their ratio, a mean. Only
whoever invented the people can write such a file; no role of a federation ever sees it.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotally.v1.refusals import Misconfigured, Refusal

Parts = Mapping[str, tuple[int, int | None]]
"""department -> (total, None), or (total, count)."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A question's true answer, department by department."""

    groups: Mapping[tuple[str, ...], Mapping[str, Parts]]  # codes of the keys -> alias -> parts

    def of(self, keys: tuple[str, ...], alias: str, departments: Collection[str]) -> float | None:
        """The number over *departments*; None for the mean of nothing. KeyError where none is known."""
        parts = self.groups[keys][alias]
        total = sum(parts[name][0] for name in departments)
        counts = [count for name in departments if (count := parts[name][1]) is not None]
        if not counts:
            return float(total)
        return total / sum(counts) if sum(counts) else None


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
    return Truth({
        tuple(group["keys"]): {alias: {name: (int(total), None if count is None else int(count))
                                       for name, (total, count) in parts.items()}
                               for alias, parts in group["parts"].items()}
        for group in groups})
