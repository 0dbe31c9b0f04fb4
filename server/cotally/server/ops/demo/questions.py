"""The tour's questions, and their true answers, which only the inventor of the country can know.

The truth that an interval speaks of is the bounded truth: every value clamped to its column's public
bounds. Each person has one row per group and department here, so that no other bound bites. It is told
per department, since a release speaks of those that took part in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import pandas as pd

from cotally.v1.refusals import Refusal

from .holdings import Holdings
from .population import BENEFITS, MAX_AMOUNT, MAX_INCOME, REGIONS, SCHOOLING, SEXES

Part = tuple[int, int | None]
"""One department's part of a number: (total, None), or (total, count) of a mean."""
Measure = Callable[[pd.DataFrame], Part]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, why, over which public groups, and how the truth of a group is computed."""

    title: str
    note: str
    sql: str
    table: str
    keys: Mapping[str, Sequence[str]]  # column -> public codes, in the order of GROUP BY
    where: Callable[[pd.DataFrame], "pd.Series[bool]"]
    measures: Mapping[str, Measure]  # alias -> what it is in one group

    def truth(self, held: Holdings) -> list[dict[str, object]]:
        """Per public group, empty ones too: {"keys": [code, ...], "parts": {alias: {department: Part}}}."""
        grouped = {department: self._groups(records)
                   for (department, table), records in held.items() if table == self.table}
        return [{"keys": list(codes),
                 "parts": {alias: {name: measure(groups[codes]) for name, groups in grouped.items()}
                           for alias, measure in self.measures.items()}}
                for codes in product(*self.keys.values())]

    def _groups(self, records: pd.DataFrame) -> dict[tuple[str, ...], pd.DataFrame]:
        kept = records[self.where(records)]
        found = {tuple(codes): group for codes, group in kept.groupby(list(self.keys), sort=False)}
        return {codes: found.get(codes, kept.iloc[:0]) for codes in product(*self.keys.values())}


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A question that ought to be refused, and how."""

    title: str
    sql: str
    refusal: Refusal


def _rows(group: pd.DataFrame) -> Part:
    return len(group), None


def _mean_income(group: pd.DataFrame) -> Part:
    incomes = group["income"].dropna().clip(0, MAX_INCOME)
    return int(incomes.sum()), len(incomes)


def _paid(group: pd.DataFrame) -> Part:
    return int(group["amount"].clip(0, MAX_AMOUNT).sum()), None


QUESTIONS: Final = (
    Question(
        "What do people of working age live on, region by region?",
        "All five departments answer together. Each keeps the files of other people: tax those who work, "
        "education pupils and students, and so on. None of them could answer alone.",
        "SELECT region, COUNT(*) AS people, AVG(income) AS mean_income\n"
        "FROM residents WHERE age BETWEEN 18 AND 64\n"
        "GROUP BY region\n"
        "WITH PRIVACY (epsilon = 0.5)",
        "residents", {"region": REGIONS}, lambda people: people["age"].between(18, 64),
        {"people": _rows, "mean_income": _mean_income}),
    Question(
        "Does schooling pay, and does it pay women as it pays men?",
        "Twice as many groups for the same price: a person is in one of them only. A count's error is the "
        "same in every group, so a mean is less exact where the group is smaller.",
        "SELECT education, sex, COUNT(*) AS people, AVG(income) AS mean_income\n"
        "FROM residents WHERE activity = 'employed'\n"
        "GROUP BY education, sex\n"
        "WITH PRIVACY (epsilon = 0.5)",
        "residents", {"education": SCHOOLING, "sex": SEXES}, lambda people: people["activity"] == "employed",
        {"people": _rows, "mean_income": _mean_income}),
    Question(
        "How many benefits are paid each month, and how much is that?",
        "Two departments pay. One person can be paid by both, and for two reasons by each, so the noise has "
        "more to hide. Here we state the error that we can live with, and are told the price.",
        "SELECT kind, COUNT(*) AS payments, SUM(amount) AS total\n"
        "FROM benefits\n"
        "GROUP BY kind\n"
        "WITH PRIVACY (error = 100)",
        "benefits", {"kind": BENEFITS}, lambda paid: paid["amount"].notna(),
        {"payments": _rows, "total": _paid}),
)

FORBIDDEN: Final = (
    Forbidden("Just show me the records.",
              "SELECT * FROM residents WHERE region = 'lakeside' WITH PRIVACY (epsilon = 0.1)",
              Refusal.UNSUPPORTED),
    Forbidden("A purpose that no department has granted.",
              "SELECT COUNT(*) FROM residents WITH PRIVACY (epsilon = 0.1, purpose = 'marketing')",
              Refusal.NOT_ALLOWED),
    Forbidden("Nearly exact numbers, for more than the budgets have left.",
              "SELECT region, COUNT(*) FROM residents GROUP BY region WITH PRIVACY (error = 2)",
              Refusal.BUDGET_SPENT),
)
