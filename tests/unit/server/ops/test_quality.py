"""A spec's survey weights and quality thresholds reach the catalog, or are refused by key."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from cotally.server.model.catalog import Quality
from cotally.server.ops.charter import catalog_message
from cotally.server.ops.spec import load_spec
from cotally.server.wire.catalog import from_message
from cotally.v1.refusals import Misconfigured

SPEC = """
[federation]
name = "pums"
min_departments = 2
colluding = 1

[[tables]]
name = "people"
unit = "pid"
quality = {{ {quality} }}
columns = [
  {{ name = "w", type = "float", lower = {lower}, upper = 9, resolution = 0.5, weight = true }},
  {{ name = "n", type = "integer", lower = 1, upper = 9, weight = true }},
  {{ name = "x", type = "integer", lower = -1, upper = 9 }},
]

[[departments]]
name = "north"
budget = {{ epsilon = 10 }}
data = {{ people = "north.csv" }}
[[departments]]
name = "south"
budget = {{ epsilon = 10 }}
data = {{ people = "south.csv" }}
"""


def spec(folder: Path, quality: str = "unreliable = 0.1, suppressed = 0.25", lower: str = "0") -> Path:
    """A spec on disk."""
    path = folder / "spec.toml"
    path.write_text(SPEC.format(quality=quality, lower=lower))
    return path


def test_weights_and_thresholds_reach_the_catalog(tmp_path: Path) -> None:
    (table,) = from_message(catalog_message(load_spec(spec(tmp_path)))).tables
    assert table.quality == Quality(Fraction(1, 10), Fraction(1, 4))
    assert [column.weight for column in table.columns] == [True, True, False]


@pytest.mark.parametrize("quality, lower, key", [
    ("unreliable = 0, suppressed = 1", "0", "quality.unreliable"),
    ("unreliable = 0.3, suppressed = 0.2", "0", "quality.suppressed"),
    ("unreliable = 0.3", "0", "quality.suppressed"),
    ("unreliable = 0.3, suppressed = 0.4, hidden = 1", "0", "quality.hidden"),
    ("unreliable = 0.1, suppressed = 0.2", "-0.5", "columns[0].weight"),
])  # fmt: skip
def test_what_cannot_be_is_refused_by_key(tmp_path: Path, quality: str, lower: str, key: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(key)):
        load_spec(spec(tmp_path, quality, lower))
