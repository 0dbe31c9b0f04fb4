"""Says which department keeps whose records, and writes each department's files.

Every resident's file lies with exactly one department, the one that has most to do with him: no
department sees the country, and what one sees is no fair sample of it. Benefits are paid by two
departments, and a person can receive from both.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from .population import Country

CIVIL, TAX, HEALTH, SOCIAL, EDUCATION = "civil-registry", "tax", "health", "social-security", "education"
DEPARTMENTS: Final = (CIVIL, TAX, HEALTH, SOCIAL, EDUCATION)
PAYERS: Final = {"social": SOCIAL, "education": EDUCATION}
RESIDENTS: Final = ("pid", "region", "sex", "age", "education", "activity", "income", "visits")
BENEFITS: Final = ("pid", "region", "kind", "amount")

Holdings = dict[tuple[str, str], pd.DataFrame]
"""(department, table) -> its records."""


def divide(country: Country) -> Holdings:
    """Each department's records of each table that it holds."""
    people, paid = country.residents, country.benefits
    keeper = keepers(people)
    held: Holdings = {
        (name, "residents"): people.loc[keeper == name, list(RESIDENTS)] for name in DEPARTMENTS}
    for payer, name in PAYERS.items():
        held[name, "benefits"] = paid.loc[paid["payer"] == payer, list(BENEFITS)]
    return held


def keepers(residents: pd.DataFrame) -> pd.Series:
    """The department that keeps each resident's file."""
    activity = residents["activity"]
    keeper = np.select(
        [residents["chronic"], activity == "employed", activity.isin(["retired", "unemployed"]),
         activity.isin(["pupil", "student"])],
        [HEALTH, TAX, SOCIAL, EDUCATION], CIVIL)
    return pd.Series(keeper, index=residents.index)


def file_name(department: str, table: str) -> str:
    """Where a department's table lies, below the demo's folder."""
    return f"data/{department}/{table}.csv"


def write(held: Holdings, folder: Path) -> None:
    """Write every holding as CSV, ordered by person."""
    for (department, table), records in held.items():
        path = folder / file_name(department, table)
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {name: "Int64" for name in ("income", "amount") if name in records}
        records.sort_values("pid", kind="stable").astype(whole).to_csv(path, index=False)
