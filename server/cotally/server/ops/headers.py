"""Refuses a spec whose files cannot be the tables that it names them for, before anybody makes a key."""

from pathlib import Path

from cotally.server.engines.source import is_url
from cotally.v1.refusals import Misconfigured

from .spec import Spec


def check_headers(spec: Spec) -> None:
    """Look at the first line, or the schema, of every file; Misconfigured names spec, key, file and column.

    Databases are asked by the nodes themselves, and so is everything where no DuckDB is installed.
    """
    try:
        from cotally.server.engines.duckdb import snapshot
    except ModuleNotFoundError:
        return
    tables = {table.name: table for table in spec.tables}
    for i, department in enumerate(spec.departments):
        for name in department.data:
            if is_url(source := spec.data_source(department, name)):
                continue
            try:
                snapshot.check(tables[name], Path(source))
            except Misconfigured as reason:
                raise Misconfigured(f"{spec.file}: departments[{i}].data.{name}: {reason.message}") from None
