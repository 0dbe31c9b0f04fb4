"""No record decides whether an engine answers, however far from zero a catalog's bounds lie.

Between neighbouring doubles there is more than fits 64 bits where bounds are that far and the resolution is
that fine: such a column is refused by name, whatever it holds, and one just below is answered for all values.
"""

from pathlib import Path

import pytest

from cotally.v1 import catalog_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.privacy.federation import Federation, ask
from tests.privacy.people import catalog, number, table

MIDDLE = 2**99 + 2**46  # halfway between two doubles
QUESTIONS = ("COUNT(*) AS n FROM people GROUP BY BIN(far, 100)", "HISTOGRAM(far, 2) AS h FROM people",
             "QUANTILE(far, 0.5, 2) AS q FROM people", "WEIGHTED(COUNT(*), far) AS w FROM people")


def far(resolution: str) -> catalog_pb2.Catalog:
    """A table with a column that lies around MIDDLE."""
    people = table(2)
    people.columns.append(number("far", str(MIDDLE - 1000), str(MIDDLE + 1000), resolution, weight=True))
    return catalog(people)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_column_too_far_from_zero_is_refused(question: str) -> None:
    with pytest.raises(Refused) as refused:
        ask(f"SELECT {question} WITH PRIVACY (rho = 1)", far("0.0001"))
    assert refused.value.refusal is Refusal.UNSUPPORTED and "far" in str(refused.value)


@pytest.mark.parametrize("value", ["", "0", "-1e300", "1e40", "inf", "-inf", "nan", str(MIDDLE)])
def test_a_column_that_is_not_is_answered_whatever_it_holds(value: str, tmp_path: Path) -> None:
    known = far("1")
    text = ["pid,place,sex,age,pay,w,far", f"p,0,a,1,1,1,{value}"]
    federation = Federation(known, {"north": {"people": text}}, tmp_path)
    for question in QUESTIONS[:3]:
        asked = ask(f"SELECT {question} WITH PRIVACY (rho = 1)", known)
        assert len(federation.measure(asked).exact) == asked.plan.coordinates
