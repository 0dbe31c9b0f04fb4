"""Several questions priced together: what fits, in order, and what does not."""

import copy
import json
from dataclasses import replace

import pytest

from cotally.client.budget import Filter
from cotally.client.expect import expected_errors
from cotally.client.explain import Explanation
from cotally.client.privacy import Account
from cotally.client.scope import effective
from cotally.client.sql.parse import parse
from cotally.client.sql.several import questions
from cotally.client.study import Study
from cotally.v1.refusals import Refused
from tests.fixtures.answered import planned
from tests.unit.client.test_same_message import CATALOG


def quoted(rho: str, left: int, text: str = "SELECT COUNT(*) AS n FROM people") -> tuple[str, Explanation]:
    query = parse(f"{text} WITH PRIVACY (rho = {rho})", CATALOG).query
    plan = planned(query, CATALOG)
    filters = (Filter("department", "a", "residents", 10**12, 10**12 - left, "0.000001"),
               Filter("analyst", "ann", "residents", None, 7, "0.000001"))
    return text, Explanation(query, plan, effective(query, CATALOG), ("a", "b"), (), expected_errors(
        plan, query, CATALOG), None, filters, Account("0.000001"))


def test_a_question_that_does_not_fit_is_left_out_and_the_next_may_fit() -> None:
    study = Study.of([quoted(rho, 50 * 10**9) for rho in ("0.02", "0.04", "0.03", "0.001")])
    assert [each.fits for each in study.questions] == [True, False, True, False]
    assert not study.affordable and study.prices == {"residents": "0.091"}
    assert [f.name for f in study.questions[1].lacking] == ["a"]
    assert Study.of([quoted("0.02", 50 * 10**9), quoted("0.03", 50 * 10**9)]).affordable
    told = json.loads(json.dumps(study.to_dict(), allow_nan=False))
    assert told["populations"][0]["rho"] == "0.091" and told["populations"][0]["epsilon"] > 1
    assert [each["cumulative_rho"] for each in told["questions"]] == ["0.02", "0.02", "0.05", "0.05"]
    assert told["questions"][1]["lacking"] == ["department a"]
    assert "will not fit: department a (rho 0.03 left after those before it)" in repr(study)
    assert list(study.df()["fits"]) == [True, False, True, False]


def test_questions_end_with_semicolons_outside_quotes_and_comments() -> None:
    text = "SELECT 1 -- a; b\n; EXPLAIN PRIVACY SELECT ';' ;; /* ; */ \nSUGGEST BOUNDS FOR x;"
    assert questions(text) == [
        "SELECT 1 -- a; b",
        "EXPLAIN PRIVACY SELECT ';'",
        "/* ; */ \nSUGGEST BOUNDS FOR x",
    ]
    assert questions(" ; -- nothing\n") == []
    with pytest.raises(Refused, match="never closed"):
        questions("SELECT 'x; SELECT 2")


def test_a_population_whose_questions_all_fit_is_said_to_fit() -> None:
    text, other = quoted("0.04", 50 * 10**9)
    plan = copy.deepcopy(other.plan)
    plan.population = "kids"
    twice = [quoted("0.04", 50 * 10**9)] * 2
    study = Study.of([*twice, (text, replace(other, plan=plan))])
    assert "of residents; not all of it fits" in repr(study) and "of kids; all of it fits" in repr(study)
