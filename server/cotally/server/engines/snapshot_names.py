"""How a database's snapshot is called, and its columns: by position, as catalogs' names may be too long."""

import hashlib
import json
from collections.abc import Sequence
from typing import Final

from cotally.server.model.catalog import Column, Table

UNIT_COLUMN: Final = "unit"
_READABLE: Final = 24  # bytes of the table's name that its snapshots' names begin with
_FORMAT: Final = 1  # of snapshots; another one makes other names


def field_name(position: int) -> str:
    """The snapshot's name of the catalog's column at *position*."""
    return f"c{position}"


def wanted(table: Table) -> Sequence[Column | None]:
    """The columns of a snapshot; None stands for the unit, which comes first where there is one."""
    return [*([None] if table.unit is not None else []), *table.columns]


def name_of(table: Table, *origin: str) -> str:
    """The table's own name, as far as it goes, and 24 digits for vintage, columns and *origin*."""
    said = [_FORMAT, table.name, table.vintage, table.unit, *origin,
            [[c.name, c.type.value, c.integer_codes] for c in table.columns]]
    digest = hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()
    readable = table.name.encode()[:_READABLE].decode(errors="ignore")
    return f"{readable}~{digest[:24]}"
