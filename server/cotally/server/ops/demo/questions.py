"""The tour's questions, and their true answers, which only the inventor of the country can know.

The truth that an interval speaks of is the bounded truth: every value clamped to its column's public
bounds. Each person has one row per group here, so that no other bound bites.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import pandas as pd

from .population import BENEFITS, MAX_AMOUNT, MAX_INCOME, REGIONS, SCHOOLING, SEXES, Country

Answer = dict[str, float]
"""alias -> number; one group's."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, why, over which public groups, and how the truth of a group is computed."""

    title: str
    note: str
    sql: str
    codes: Sequence[Sequence[str]]  # of each key, in the order of GROUP BY
    rows: Callable[[Country], pd.DataFrame]
    answer: Callable[[pd.DataFrame], Answer]

    @property
    def keys(self) -> list[str]:
        """The key columns."""
        words = self.sql.partition("GROUP BY ")[2].partition("\n")[0]
        return [word.strip() for word in words.split(",")]

    def truth(self, country: Country) -> list[dict[str, object]]:
        """Per public group, empty ones included: {"keys": [code, ...], "values": {alias: number}}."""
        rows = self.rows(country)
        found = {key if isinstance(key, tuple) else (key,): group
                 for key, group in rows.groupby(self.keys, sort=False)}
        return [{"keys": list(codes), "values": self.answer(found.get(codes, rows.iloc[:0]))}
                for codes in product(*self.codes)]


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A question that ought to be refused, and what a reader should see in that."""

    title: str
    sql: str


def _adults(country: Country) -> pd.DataFrame:
    return country.residents[country.residents["age"].between(18, 64)]


def _bounded_mean(group: pd.DataFrame) -> float:
    incomes = group["income"].dropna().clip(0, MAX_INCOME)
    return float(incomes.sum()) / len(incomes) if len(incomes) else 0.0


def _incomes(group: pd.DataFrame) -> Answer:
    return {"people": len(group), "mean_income": _bounded_mean(group)}


def _payments(group: pd.DataFrame) -> Answer:
    return {"payments": len(group), "total": float(group["amount"].clip(0, MAX_AMOUNT).sum())}


QUESTIONS: Final = (
    Question(
        "What do people of working age live on, region by region?",
        "All five departments answer together. Each keeps the files of other people: tax those who "
        "work, education pupils and students, and so on. None of them could answer alone.",
        "SELECT region, COUNT(*) AS people, AVG(income) AS mean_income\n"
        "FROM residents WHERE age BETWEEN 18 AND 64\n"
        "GROUP BY region\n"
        "WITH PRIVACY (epsilon = 0.5)",
        (REGIONS,), _adults, _incomes),
    Question(
        "Does schooling pay, and does it pay women as it pays men?",
        "Ten groups for the price of one: a person is in a single group, so more groups cost nothing. "
        "Each group's error is as large as before, and the groups are smaller.",
        "SELECT education, sex, COUNT(*) AS people, AVG(income) AS mean_income\n"
        "FROM residents WHERE activity = 'employed'\n"
        "GROUP BY education, sex\n"
        "WITH PRIVACY (epsilon = 0.5)",
        (SCHOOLING, SEXES),
        lambda country: country.residents[country.residents["activity"] == "employed"], _incomes),
    Question(
        "How many benefits are paid each month, and how much is that?",
        "Two departments pay, and a person can be paid by both and for two reasons, so the noise must "
        "hide more. Here we state the error that we can live with and are told the price.",
        "SELECT kind, COUNT(*) AS payments, SUM(amount) AS total\n"
        "FROM benefits\n"
        "GROUP BY kind\n"
        "WITH PRIVACY (error = 120)",
        (BENEFITS,), lambda country: country.benefits, _payments),
)

FORBIDDEN: Final = (
    Forbidden("Just show me the records.", "SELECT pid, income FROM residents WITH PRIVACY (epsilon = 0.1)"),
    Forbidden("A purpose that no department has granted.",
              "SELECT COUNT(*) FROM residents WITH PRIVACY (epsilon = 0.1, purpose = 'marketing')"),
    Forbidden("Nearly exact numbers: more than the budget has left.",
              "SELECT region, COUNT(*) FROM residents GROUP BY region WITH PRIVACY (error = 2)"),
)
