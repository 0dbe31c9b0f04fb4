"""The privacy clause: what it takes, and every way to get it wrong."""

import pytest

from cotally.client.sql.parse import parse
from cotally.v1.refusals import Refusal
from tests.fixtures.asking import CATALOG, ask, refusal

HEAD = "SELECT COUNT(*) FROM people "


@pytest.mark.parametrize(
    ("tail", "culprit"),
    [
        ("", "no privacy clause: end it, for example, with WITH PRIVACY (epsilon = 1)"),
        ("WITH PRIVACY", "settings in parentheses"),
        ("WITH PRIVACY epsilon = 1", "settings in parentheses"),
        ("PRIVACY (epsilon = 1)", "begins with WITH"),
        ("WITH PRIVACY (epsilon = 1", "never closed"),
        ("WITH PRIVACY ()", "none of epsilon, rho and error"),
        ("WITH PRIVACY (confidence = 0.9)", "none of epsilon, rho and error"),
        ("WITH PRIVACY (epsilon = 1, rho = 1)", "states epsilon and rho: state exactly one"),
        ("WITH PRIVACY (epsilon = 1, Epsilon = 1)", "epsilon stands twice"),
        ("WITH PRIVACY (epsilon)", "key = value"),
        ("WITH PRIVACY (epsilon 1)", "key = value"),
        ("WITH PRIVACY (epsilon = )", "epsilon has no value"),
        ("WITH PRIVACY (epsilon = 1,)", "missing beside a comma"),
        ("WITH PRIVACY (epsilom = 1)", "epsilom: did you mean epsilon?"),
        ("WITH PRIVACY (epsilon = 1, delta = 1)", "does not know delta"),
        ("WITH PRIVACY (epsilon = 0)", "epsilon = 0 is not accepted: epsilon is a decimal number from 0.00"),
        ("WITH PRIVACY (epsilon = -1)", "epsilon = -1 is not accepted"),
        ("WITH PRIVACY (epsilon = - 1)", "epsilon = -1 is not accepted"),
        ("WITH PRIVACY (epsilon = NaN)", "epsilon = NaN is not accepted"),
        ("WITH PRIVACY (epsilon = inf)", "epsilon = inf is not accepted"),
        ("WITH PRIVACY (epsilon = -inf)", "epsilon = -inf is not accepted"),
        ("WITH PRIVACY (epsilon = 1e400)", "epsilon = 1e400 is not accepted"),
        ("WITH PRIVACY (epsilon = 1e-400)", "epsilon = 1e-400 is not accepted"),
        ("WITH PRIVACY (epsilon = 0.0000009)", "epsilon = 0.0000009 is not accepted"),
        ("WITH PRIVACY (epsilon = 100.1)", "from 0.0001 to 100"),
        ("WITH PRIVACY (epsilon = 0x10)", "epsilon = 0x10 is not accepted"),
        ("WITH PRIVACY (epsilon = 1_0)", "epsilon = 1_0 is not accepted"),
        ("WITH PRIVACY (epsilon = 1 + 1)", "epsilon = 1+1 is not accepted"),
        ("WITH PRIVACY (epsilon = '1')", "without quotes"),
        ("WITH PRIVACY (epsilon = \u0661)", "is not accepted"),
        ("WITH PRIVACY (rho = 0)", "rho = 0 is not accepted"),
        ("WITH PRIVACY (rho = 101)", "to 100"),
        ("WITH PRIVACY (error = 0)", "error = 0 is not accepted"),
        ("WITH PRIVACY (error = -5)", "error = -5 is not accepted"),
        ("WITH PRIVACY (epsilon = 1, confidence = 95)", "write 0.95 for 95 percent"),
        ("WITH PRIVACY (epsilon = 1, confidence = 1)", "confidence = 1 is not accepted"),
        ("WITH PRIVACY (epsilon = 1, confidence = 0.4)", "from 0.5 to 0.9999"),
        ("WITH PRIVACY (epsilon = 1, mechanism = laplace)", "write mechanism = 'gaussian'"),
        ("WITH PRIVACY (epsilon = 1, mechanism = 'uniform')", "mechanism = 'uniform' is not accepted"),
        ("WITH PRIVACY (epsilon = 1, purpose = statistics)", "quoted text"),
        ("WITH PRIVACY (epsilon = 1, purpose = ' ')", "quoted text"),
    ],
)
def test_bad_clauses(tail: str, culprit: str) -> None:
    refused = refusal(HEAD + tail)
    assert (refused.refusal, culprit in refused.message) == (Refusal.BAD_PRIVACY, True), refused.message


def test_the_value_is_pointed_to() -> None:
    assert refusal(HEAD + "\nWITH PRIVACY (rho = 0)").message.endswith("(line 2, column 21)")


def test_nothing_follows_the_clause() -> None:
    refused = refusal(HEAD + "WITH PRIVACY (epsilon = 1) LIMIT 3")
    assert refused.refusal is Refusal.UNSUPPORTED
    assert "LIMIT after the privacy clause" in refused.message


@pytest.mark.parametrize(
    "text", ["epsilon = 0.0001", "epsilon = 100", "rho = 1e-9", "rho = 100", "error = 3.5"]
)
def test_the_ends_of_the_ranges_belong_to_them(text: str) -> None:
    assert ask(f"{HEAD} WITH PRIVACY ({text})").query.privacy.WhichOneof("target") == text.split()[0]


def test_confidence_comes_from_the_caller_unless_stated() -> None:
    assert parse(HEAD + "WITH PRIVACY (rho = 1)", CATALOG, "0.9").query.privacy.confidence == "0.9"
    stated = parse(HEAD + "WITH PRIVACY (rho = 1, confidence = 0.80)", CATALOG, "0.9")
    assert stated.query.privacy.confidence == "0.8"
