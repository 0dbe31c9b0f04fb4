"""Every question of docs/walkthrough.md is the same in SQL and in Python."""

import re
from pathlib import Path

from cotally import client
from cotally.client.builder import TableQuery
from cotally.client.sql.parse import parse
from cotally.v1 import catalog_pb2
from cotally.v1.canonical import canonical

DOCS = Path(__file__).parents[3] / "docs"
CATALOG = catalog_pb2.Catalog(
    federation="f",
    epoch=1,
    tables=[
        catalog_pb2.Table(
            name="people",
            unit_column="pid",
            population="f",
            overlap=1,
            holders=["a", "b", "c"],
            columns=[
                catalog_pb2.Column(name="age", type=catalog_pb2.COLUMN_TYPE_INTEGER, lower="0", upper="100"),
                catalog_pb2.Column(
                    name="income",
                    type=catalog_pb2.COLUMN_TYPE_FLOAT,
                    lower="0",
                    upper="200000",
                    resolution="1",
                    nullable=True,
                ),
                catalog_pb2.Column(name="sex", type=catalog_pb2.COLUMN_TYPE_CATEGORY, codes=["f", "m"]),
                catalog_pb2.Column(
                    name="w",
                    type=catalog_pb2.COLUMN_TYPE_FLOAT,
                    lower="0",
                    upper="4",
                    resolution="0.01",
                    weight=True,
                ),
            ],
        ),
        catalog_pb2.Table(
            name="visits",
            unit_column="pid",
            population="f",
            overlap=1,
            holders=["a", "b", "c"],
            columns=[
                catalog_pb2.Column(name="cost", type=catalog_pb2.COLUMN_TYPE_INTEGER, lower="0", upper="900"),
                catalog_pb2.Column(
                    name="visited", type=catalog_pb2.COLUMN_TYPE_DATE, lower="2023-01-01", upper="2025-12-31"
                ),
            ],
        ),
    ],
)


class Con:
    """Stands where the page has a connection."""

    def table(self, name: str) -> TableQuery:
        return TableQuery(name)


def test_both_sides_of_the_page_are_one_message_and_pictures_exist() -> None:
    page = (DOCS / "walkthrough.md").read_text("utf-8")
    pairs = re.findall(r"```sql\n(.*?)```\n\n```python\nq = (.*?)```", page, re.DOTALL)
    assert len(pairs) == page.count("```sql") == 7
    names = {name: getattr(client, name) for name in client.__all__} | {"con": Con()}
    for sql, python in pairs:
        fluent = eval(python, names)
        assert canonical(parse(sql, CATALOG).query) == canonical(fluent.query(CATALOG)), sql
    for picture in re.findall(r"\]\((pictures/.*?)\)", page):
        assert (DOCS / picture).stat().st_size > 1000
