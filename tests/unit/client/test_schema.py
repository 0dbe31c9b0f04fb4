"""The catalog as DataFrames."""

import pytest

from cotally.client.schema import schema, tables
from cotally.v1.catalog_pb2 import Catalog
from cotally.v1.refusals import Refused
from tests.fixtures.asking import CATALOG


def test_tables_are_listed() -> None:
    frame = tables(CATALOG)
    assert frame["table"].tolist() == ["people", "événements"]
    assert frame["unit"].tolist() == ["pid", "row"]
    assert frame.loc[0, "departments"] == ("east", "north", "south")
    assert frame.loc[0, "expected_people"] == 1000


def test_columns_are_described() -> None:
    frame = schema(CATALOG, "PEOPLE").set_index("column")
    assert frame["type"].tolist()[:3] == ["integer", "float", "category"]
    assert [frame.loc["income", bound] for bound in ("lower", "upper", "resolution")] == ["0", "200000", "1"]
    assert frame["nullable"].tolist()[:2] == [False, True]
    assert frame.loc["sex", "codes"] == ("0", "1")
    assert frame.loc["sex", "lower"] is None
    assert frame["other"].tolist()[:4] == [False, False, True, False]
    assert "pid" not in frame.index


def test_an_unknown_table_is_refused_with_a_hint() -> None:
    with pytest.raises(Refused, match="did you mean people"):
        schema(CATALOG, "peple")


def test_an_empty_catalog_keeps_its_columns() -> None:
    assert "table" in tables(Catalog()).columns
