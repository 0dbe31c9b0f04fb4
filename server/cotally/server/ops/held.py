"""Whether a table that a department holds can be read as the catalog has it, and what is odd about it."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cotally.server.engines.engine import EngineError
from cotally.server.engines.holding import Holding
from cotally.server.engines.source import File, PostgresTable, Source
from cotally.server.model.catalog import Table
from cotally.server.settings.config import NodeConfig
from cotally.v1.refusals import Misconfigured

from .findings import UNREACHABLE, Finding, edit, fail, ok, quoted, warn
from .harvest_files import checked_header


def findings(table: Table, source: Source, settings: NodeConfig) -> Iterator[Finding]:
    """What stands in the way of the table's current vintage, and what is odd about its cells."""
    check, path = f"data.{table.name}", settings.common.path
    with tempfile.TemporaryDirectory() as scratch:
        try:
            report = Holding(_state(settings.common.state, table, source, Path(scratch)),
                             settings.data).snapshot(table)
        except EngineError as reason:
            yield fail(check, str(reason), _dial(source), UNREACHABLE)
            return
        except Misconfigured as reason:
            said = _misspelt(source) or reason.message
            yield fail(check, said, _mend(said, table, source, path))
            return
    yield ok(check, f"vintage {table.vintage}, {report.rows} records of {source}")
    unit = f"no {table.unit} and leave"
    for note in report.notes:
        if table.unit is not None and f"{report.rows} records have {unit}" in note:
            yield fail(check, f"{note}: is {table.unit} the unit column?", _look(source, path))
        else:
            yield warn(check, note, _look(source, path))
    if "iconv" in (said := _misspelt(source)):  # a header that it could read is well enough
        yield warn(check, said, _mend(said, table, source, path))
    if isinstance(source, File) and source.path.exists() and source.path.stat().st_mode & stat.S_IROTH:
        yield warn(check, f"every user of this machine can read {source.path}",
                   f"chmod o-r {quoted(source.path)}")


def _misspelt(source: Source) -> str:
    """What is wrong with a CSV file's encoding, separator or first line, if anything is."""
    if not isinstance(source, File) or source.path.suffix.lower() != ".csv":
        return ""
    try:
        checked_header(source.path)
    except Misconfigured as reason:
        return reason.message
    except OSError:
        pass  # said already, or gone since its vintage was taken
    return ""


def _state(state: Path, table: Table, source: Source, scratch: Path) -> Path:
    """Where a vintage of a file was made already, or a folder that is thrown away.

    With what the node wrote down of a database's copy, so that a changed one is told from it.
    """
    if isinstance(source, PostgresTable) and os.access(state / "postgres", os.R_OK | os.X_OK):
        shutil.copytree(state / "postgres", scratch / "postgres")
    if not isinstance(source, File):
        return scratch
    from cotally.server.engines.duckdb import snapshot
    return state if snapshot.folder(state, table).exists() else scratch


def _dial(source: Source) -> str:
    if isinstance(source, PostgresTable):
        return f"psql '{source.url}' -c 'SELECT 1'"
    assert not isinstance(source, File)
    host, _, port = source.url.partition("://")[2].partition(":")
    return f"nc -vz {host} {port or 15002}"


def _look(source: Source, path: Path) -> str:
    """Shows the cells. Odd ones stop nothing, they are bounded: mend them before the next vintage."""
    if isinstance(source, File):
        return f"head {quoted(source.path)}" if source.path.suffix.lower() == ".csv" else edit(path)
    if isinstance(source, PostgresTable):
        return f"psql '{source.url}' -c 'TABLE {source} LIMIT 10'"
    return edit(path)


def _mend(reason: str, table: Table, source: Source, path: Path) -> str:
    """The command that mends what *reason* names."""
    if "pip install" in reason:
        return reason[reason.index("pip install"):]
    if isinstance(source, PostgresTable):
        if "no snapshot" in reason or "make the vintage again" in reason:
            return f"cotally node snapshot {quoted(path)} --table {table.name} | psql -d DATABASE"
        if "can only read" in reason:
            return "psql -d DATABASE -c 'CREATE ROLE cotally_reader LOGIN'; then dial as that role"
        if "grant it SELECT" in reason:
            return (f"psql -d DATABASE -c 'GRANT USAGE ON SCHEMA {source.store} TO cotally_reader; "
                    f"GRANT SELECT ON ALL TABLES IN SCHEMA {source.store} TO cotally_reader'")
    if isinstance(source, File):
        if not source.path.exists():
            return f"ls -l {quoted(source.path.parent)}; {edit(path)}"
        if "iconv " in reason:
            return f"{reason[reason.index('iconv '):]} {quoted(source.path)}"
        if "Permission denied" in reason:
            return f"sudo chown $(id -un) {quoted(source.path)}"
        if any(word in reason for word in ("header", "first line", "is empty", "separated by", "same name")):
            return f"head -1 {quoted(source.path)}"
    return edit(path)
