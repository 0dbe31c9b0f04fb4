"""PostgreSQL decodes a cell to what DuckDB decodes it to: text of any kind, and its own types."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotally.server.engines.duckdb import decode as duck
from cotally.server.engines.postgres import decode, session
from cotally.server.model.catalog import Column, ColumnType
from tests.postgres import Server
from tests.unit.server.engines.plans import AGE, BIG, CITY, CODE, DAY, INCOME


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[session.Connection]:
    with session.connect(server.url("reader")) as opened:
        yield opened


def ours(
    connection: session.Connection, column: Column | None, kind: str, values: Sequence[Any]
) -> list[Any]:
    """What PostgreSQL makes of *values*, each the text of a literal of type *kind*."""
    bare = kind.partition("(")[0]
    cell = decode.raw("x", bare)
    made = decode.unit("r", bare) if column is None else decode.value(column, "r", bare)
    text = (f"SELECT {made} FROM (SELECT {cell} AS r, o FROM unnest($1::{kind}[]) WITH ORDINALITY AS"
            f" given(x, o)) AS raw ORDER BY o")
    return [row[0] for row in connection.execute(text.encode(), [list(values)]).fetchall()]


def theirs(column: Column | None, kind: str, values: Sequence[Any]) -> list[Any]:
    """What DuckDB makes of them."""
    made = duck.unit("x", kind) if column is None else duck.cell(column, "x", kind)
    text = (f"SELECT {made} FROM (SELECT unnest($1::VARCHAR[]::{kind}[]) AS x,"
            f" unnest(range(len($1))) AS o) ORDER BY o")
    return [row[0] for row in duckdb.connect().execute(text, [list(values)]).fetchall()]


@pytest.mark.parametrize(("column", "expected"), [
    (AGE, {"7": 7, "+7": 7, " 7 ": 7, "007": 7, "12.0": 12, "12.": 12, "12.5": None, "1e3": 1000, "-0": 0,
           "-0.0": 0, "x": None, "1_000": None, "0x1F": None, "": None, "NaN": None, "1e-1": None,
           "9223372036854775807": 2**63 - 1, "9223372036854775808": 2**63 - 1, "-" + "9" * 31: -(2**63),
           "9223372036854775807.0": 2**63 - 1, "9007199254740993.0": 9007199254740993, "1e30": 2**63 - 1,
           "-1e30": -(2**63), "inf": 2**63 - 1, "-Infinity": -(2**63), "١٢": None, "9" * 401: None,
           "0" * 390 + "5": 5, "9007199254740993.5": None, "-9223372036854775808": -(2**63)}),
    (INCOME, {"0.1": 0.1, ".5": 0.5, "5.": 5.0, "1e400": float("inf"), "-inf": float("-inf"), "nan": None,
              "-0.0": 0.0, "1e-400": 0.0, "1_0.5": None, "abc": None, "": None, "1e": None, "--1": None,
              "1e99999999999": float("inf"), "-1e99999": float("-inf"), "1e-99999999999": 0.0, "0e99999": 0.0,
              "1e000000001": 10.0, "1." + "0" * 400: None, "5e-324": 5e-324, "2.4703282292062327e-324": 0.0,
              "2.4703282292062328e-324": 5e-324, "1.7976931348623158e308": 1.7976931348623157e308,
              "1.7976931348623159e308": float("inf"), "9007199254740993": 9007199254740992.0}),
    (CITY, {"北京": "北京", "e\u0301": "é", "NaN": "NaN", "1.0": "1.0", "": None, " a": " a",
            "é" * 1000: "é" * 1000, "é" * 1001: None}),
    (CODE, {"1": "1", "1.0": "1", "01": "1", "+1": "1", " 1 ": "1", "-01.00": "-1", "-0": "0", "000": "0",
            "1.5": "1.5", "x": "x", "": None, "1" + "0" * 40: "1" + "0" * 40}),
    (DAY, {"2024-02-29": date(2024, 2, 29), "2023-02-29": None, "2024-1-2": date(2024, 1, 2), "": None,
           "infinity": None, "epoch": None, "0000-01-01": None, "2024-02-29 10:00:00": date(2024, 2, 29),
           "2024-02-29T10:00Z": date(2024, 2, 29), "20240229": None, "12024-01-01": None, "1900-02-29": None,
           "2000-02-29": date(2000, 2, 29), "2024-13-01": None, "2024-04-31": None, "2024-02-29\nx": None,
           "2024-02-29 \n": date(2024, 2, 29), "9999-12-31": date(9999, 12, 31)}),
])  # fmt: skip
def test_text_decodes_to_its_value_or_null_as_in_duckdb(
    connection: session.Connection, column: Column, expected: dict[str, object]
) -> None:
    texts = list(expected)
    assert dict(zip(texts, ours(connection, column, "text", texts), strict=True)) == expected
    assert dict(zip(texts, theirs(column, "VARCHAR", texts), strict=True)) == expected


tokens = st.text(st.sampled_from("0123456789+-.eEinfa_ x\t"), max_size=9) | st.text(
    st.characters(exclude_characters="\0", codec="utf-8"), max_size=6) | st.floats().map(repr)
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(texts=st.lists(tokens, min_size=40, max_size=80),
       column=st.sampled_from([AGE, INCOME, CITY, CODE, DAY, None]))
def test_any_text_decodes_as_in_duckdb_and_never_raises(
    connection: session.Connection, texts: list[str], column: Column | None
) -> None:
    assert ours(connection, column, "text", texts) == theirs(column, "VARCHAR", texts)


KINDS: list[tuple[str, str, list[str]]] = [
    ("bigint", "BIGINT", ["0", "-1", str(2**63 - 1), str(-(2**63)), "9007199254740993"]),
    ("smallint", "SMALLINT", ["-32768", "7"]),
    ("double precision", "DOUBLE",
     ["0", "-0.0", "1.5", "NaN", "Infinity", "-Infinity", "1e15", "1e16", "-123456789012345.25", "1e-5",
      "0.1", "9.3e18", "5e-324", "1e300", "3e15", "1000000000000000.5"]),
    ("numeric(20,3)", "DECIMAL(20,3)", ["0", "-0.5", "1.500", "12.000", "99999999999999999.999"]),
    ("numeric", "DECIMAL(38,0)", ["0", "-7", "9" * 38, "-" + "9" * 38]),
    ("boolean", "BOOLEAN", ["true", "false"]),
    ("date", "DATE", ["2024-02-29", "0001-01-01", "9999-12-31", "infinity", "-infinity", "10000-01-01"]),
    ("timestamp without time zone", "TIMESTAMP",
     ["2024-02-29 23:59:59", "1969-12-31 23:59:59.999999", "2024-01-01 10:00:00.5", "infinity"]),
    ("uuid", "UUID", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "twin", "values"), KINDS, ids=[kind for kind, _, _ in KINDS])
@pytest.mark.parametrize("column", [None, AGE, BIG, INCOME, CITY, CODE, replace(CODE, name="é"), DAY],
                         ids=["unit", "age", "big", "income", "city", "code", "e", "day"])
def test_values_of_every_type_decode_as_in_duckdb(
    connection: session.Connection, kind: str, twin: str, values: list[str], column: Column | None
) -> None:
    bare = kind.partition("(")[0]
    decodable = True
    try:
        decode.unit("r", bare) if column is None else decode.value(column, "r", bare)
    except decode.Undecodable:
        decodable = False
    try:
        expected = theirs(column, twin, values)
    except duck.Undecodable:
        assert not decodable
        return
    if not decodable:  # DuckDB tries, in vain
        assert set(expected) == {None}
        return
    if kind == "timestamp without time zone" and (column is None or column.type is ColumnType.CATEGORY):
        values, expected = values[:-1], expected[:-1]  # infinity is spelt differently, and is no date
    assert ours(connection, column, kind, values) == expected


def test_what_postgresql_alone_can_hold_is_null_or_saturates(connection: session.Connection) -> None:
    assert ours(connection, AGE, "numeric", ["NaN", "Infinity", "-Infinity"]) == [None, 2**63 - 1, -(2**63)]
    assert ours(connection, INCOME, "numeric", ["NaN", "Infinity", "1e400", "-1e400", "1e-400"]) == [
        None, float("inf"), float("inf"), float("-inf"), 0.0]


def test_a_type_that_cannot_stand_for_the_column_is_not_decoded() -> None:
    for column, kind in [(DAY, "bigint"), (AGE, "date"), (CITY, "bytea"), (None, "real"), (CITY, "jsonb")]:
        with pytest.raises(decode.Undecodable):
            decode.unit("r", kind) if column is None else decode.value(column, "r", kind)
