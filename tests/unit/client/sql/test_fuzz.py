"""Any text at all is either a question or a refusal."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.client.sql.parse import parse
from cotally.v1.canonical import canonical
from cotally.v1.refusals import Refused
from tests.fixtures.asking import CATALOG, PRIVACY

VOCABULARY = r"""
    SELECT FROM WHERE COUNT SUM AVG COUNT(*) people age income sex region visited pid AND OR NOT IN IS NULL
    BETWEEN DATE AS n epsilon rho CASE WHEN END JOIN ON OVER INTERVAL CAST LIMIT UNION VALUES LATERAL PIVOT
    SET STRUCT ARRAY MAP '1' 'north' '2020-01-01' 1 2.5 0x 1e x'4 é "x" ( ) , = <> < >= - . * ; -- /* */ [ ]
    { } :: $$ @ : ? -> || % # \ ' " `
"""
WORDS = [*VOCABULARY.split(), "GROUP BY", "ORDER BY", "WITH PRIVACY", "\n", "\x00"]


text = st.one_of(
    st.text(max_size=200),
    st.text(st.characters(), max_size=50),  # lone surrogates as well
    st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=20).map("".join),
)


def answered(sql: str) -> None:
    try:
        question = parse(sql, CATALOG)
    except Refused as refused:
        assert refused.message
        assert refused.message.isprintable()
        refused.message.encode()
    else:
        canonical(question.query)


@settings(max_examples=600, deadline=None)
@given(text)
def test_any_text(sql: str) -> None:
    answered(sql)


@settings(max_examples=600, deadline=None)
@given(text, st.sampled_from(["SELECT {}" + PRIVACY, "SELECT COUNT(*) FROM people WHERE {}" + PRIVACY,
                              "SELECT {} FROM people GROUP BY sex" + PRIVACY,
                              "SELECT COUNT(*) FROM people GROUP BY {}" + PRIVACY,
                              "SELECT COUNT(*) FROM people WITH PRIVACY (epsilon = {})",
                              "SELECT COUNT(*) FROM people WITH PRIVACY ({})"]))
def test_any_part(part: str, frame: str) -> None:
    answered(frame.replace("{}", part))


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for sql in ("EXPLAIN SELECT 1", "CALL x()", "SELECT COUNT(*) FROM people WHERE", "SET x = 1"):
            answered(sql)
    assert not caplog.records
