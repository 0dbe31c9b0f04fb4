"""Makes a vintage: an immutable Parquet copy of one CSV or Parquet file, typed and complete.

The copy appears under its name all at once (written beside it, synced, renamed) and is never
touched again: afterwards the source may change or vanish. What a cell holds can neither stop the
copy nor cost another record; what the file *is* (missing, no header, a column that is not there)
stops it with a sentence for the operator.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb
from sqlglot import exp

from cotally.server.engines.duckdb import decode, parquetfile
from cotally.server.engines.duckdb.lockdown import escaped, locked, memory
from cotally.server.engines.duckdb.notes import notes
from cotally.server.engines.duckdb.parquetfile import Reader
from cotally.server.engines.duckdb.tidy import LONGEST_LINE, header, position, tidy
from cotally.server.engines.engine import SnapshotReport
from cotally.server.engines.terms import UNIT
from cotally.server.model.catalog import Column, Table
from cotally.v1.refusals import Misconfigured

RECORDS_FILE: Final = "records.parquet"
_REPORT_FILE: Final = "report.json"
_TEXT: Final = "VARCHAR"
_END: Final = 1 << 16  # bytes: Parquet's footer says what stands where, so that no copy is rewritten unseen


def folder(state: Path, table: Table) -> Path:
    """Where the table's current vintage lies; names keep their letters, separators are escaped."""
    return state / "snapshots" / _safe(table.name) / _safe(table.vintage)


def existing(state: Path, table: Table) -> SnapshotReport | None:
    """The report of the vintage, where it was made already.

    Raises Misconfigured where it was made for other columns than the catalog names now, or its copy of
    the records is no longer the one that was made.
    """
    report = folder(state, table) / _REPORT_FILE
    if not report.exists():
        return None
    stored = json.loads(report.read_text())
    if stored["schema"] != _schema(table):
        raise Misconfigured(
            f"table {table.name}: vintage {table.vintage} was made for other columns;"
            " changed columns need a new vintage"
        )
    end = _end(folder(state, table) / RECORDS_FILE)
    if stored.get("end", end) != end:  # reports of older versions have none
        raise Misconfigured(
            f"table {table.name}: the copy of vintage {table.vintage} in {folder(state, table)} is gone or"
            " was changed; a vintage never changes: restore the copy, or have a new vintage announced"
        )
    return SnapshotReport(stored["rows"], tuple(stored["notes"]))


def make(state: Path, table: Table, source: Path) -> SnapshotReport:
    """Copy *source* into the table's vintage; an existing vintage is left as it is."""
    found = existing(state, table)
    if found is not None:
        return found
    _check_names(table)
    source = source.absolute()
    final = folder(state, table)
    partial = final.parent / f".partial-{final.name}"
    for missing in (state, state / "snapshots", final.parent):
        missing.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(partial, ignore_errors=True)  # a crash left it
    partial.mkdir(mode=0o700)
    try:
        report = _write(table, source, partial, state / "spill")
        stored = {"rows": report.rows, "notes": report.notes, "schema": _schema(table),
                  "end": _end(partial / RECORDS_FILE)}
        (partial / _REPORT_FILE).write_text(json.dumps(stored))
        _seal(partial)
        partial.rename(final)
        _sync(final.parent)
    except OSError as error:
        culprit = Path(error.filename).name if error.filename else source.name
        raise Misconfigured(f"{culprit}: {error.strerror or 'it cannot be read or copied'}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


def check(table: Table, source: Path) -> None:
    """Raise Misconfigured where *source* cannot be the table, by its header alone: no record is read."""
    _check_names(table)
    needed = _needed(table)
    try:
        if _is_parquet(source):
            with tempfile.TemporaryDirectory() as spill:
                _, kinds = _parquet(source.absolute(), needed, Path(spill) / "spill")
            _decoded(table, [f"c{i}" for i in range(len(needed))], kinds, source.name)
        else:
            names = header(source)
            for name in needed:
                position(names, name, source.name)
    except OSError as error:
        raise Misconfigured(f"{source.name}: {error.strerror or 'it cannot be read'}") from None


def _needed(table: Table) -> list[str]:
    return ([table.unit] if table.unit is not None else []) + [c.name for c in table.columns]


def _end(records: Path) -> str:
    """SHA-256 (hex) of a file's length and its last bytes; empty where there is none."""
    try:
        with records.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _END))
            return hashlib.sha256(size.to_bytes(8, "big") + file.read()).hexdigest()
    except OSError:
        return ""


def _write(table: Table, source: Path, partial: Path, spill: Path) -> SnapshotReport:
    needed = _needed(table)
    unreadable: Sequence[int] = [0] * len(needed)
    lines: tuple[str, ...] = ()
    if _is_parquet(source):
        file = source
        readers, kinds = _parquet(source, needed, spill)
    else:
        file = partial / "tidy.csv"
        tidied = tidy(source, file, needed)
        unreadable, lines = tidied.unreadable, tidied.notes
        readers, kinds = [Reader(text_reader(len(needed)))], [_TEXT] * len(needed)
    target = partial / RECORDS_FILE
    names = [f"c{i}" for i in range(len(needed))]
    decoded = _decoded(table, names, kinds, source.name)
    out = ", ".join(f"{sql} AS {_quoted(name)}" for name, sql in decoded)
    present = ", ".join(f"count({decode.present(n, k)})" for n, k in zip(names, kinds, strict=True))
    try:
        with locked([file, target], spill, memory(table.max_people)) as connection:  # persons are counted
            reader = _copy(connection, out, readers, {"file": escaped(file), "target": str(target)})
            counted = connection.execute(
                f"SELECT count(*), {present} FROM {reader.filled}",  # noqa: S608
                {"file": escaped(file)},
            ).fetchone()
            assert counted is not None
            rows, *filled = counted
            told = notes(connection, table, source.name, target, rows, filled, unreadable)
    except duckdb.Error as error:
        raise Misconfigured(f"{source.name}: it cannot be read ({type(error).__name__})") from None
    if file != source:
        file.unlink()
    return SnapshotReport(rows, (*lines, *told))


def _copy(connection: duckdb.DuckDBPyConnection, out: str, readers: Sequence[Reader],
          binding: Mapping[str, str]) -> Reader:
    """Write the snapshot by the first of *readers* that reads the file to its end, and return that one."""
    for reader in readers:
        try:
            connection.execute(
                f"COPY (SELECT {out} FROM {reader.cells}) TO $target"  # noqa: S608
                " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 40960, USE_TMP_FILE false)", binding)
        except duckdb.InvalidInputException:  # a cell is not UTF-8
            if reader is readers[-1]:
                raise
        else:
            break
    return reader


def _decoded(table: Table, names: Sequence[str], kinds: Sequence[str], file: str) -> list[tuple[str, str]]:
    """Name and SQL of every column of the snapshot."""
    cells = list(zip(names, kinds, strict=True))
    decoded: list[tuple[str, str]] = []
    columns: list[Column | None] = [*([None] if table.unit is not None else []), *table.columns]
    for column, (name, kind) in zip(columns, cells, strict=True):
        try:
            if column is None:
                decoded.append((UNIT, decode.unit(name, kind)))
            else:
                decoded.append((column.name, decode.cell(column, name, kind)))
        except decode.Undecodable as wanted:
            culprit = table.unit if column is None else column.name
            raise Misconfigured(
                f"{file}: column {culprit} is of type {kind}, which is not {wanted}"
            ) from None
    return decoded


def text_reader(width: int) -> str:
    """SQL that reads a tidied file as c0, c1, ... of text."""
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width))
    return (
        f"read_csv($file, columns = {{{columns}}}, auto_detect = false, header = false, delim = ',',"
        f" quote = '\"', escape = '\"', new_line = '\\n', parallel = false, hive_partitioning = false,"
        f" max_line_size = {LONGEST_LINE})"
    )


def _parquet(source: Path, needed: Sequence[str], spill: Path) -> tuple[list[Reader], list[str]]:
    """Two ways to read the needed columns, and their types. Names are matched exactly."""
    binding = {"file": escaped(source)}
    try:
        with locked([source], spill) as connection:
            described = connection.execute(f"DESCRIBE FROM {parquetfile.all_columns()}", binding).fetchall()
            fields = connection.execute(
                "SELECT name, num_children FROM parquet_schema($file)", binding
            ).fetchall()
    except duckdb.Error:
        raise Misconfigured(f"{source.name}: it is no readable Parquet file") from None
    names = _top_level(fields)
    if len(names) != len(described):
        raise Misconfigured(f"{source.name}: its Parquet schema is not understood")
    places = [position(names, name, source.name) for name in needed]
    columns = [(_quoted(described[p][0]), described[p][1]) for p in places]
    return [parquetfile.strict(columns), parquetfile.mended(columns)], [kind for _, kind in columns]


def _top_level(fields: Sequence[tuple[str, int | None]]) -> list[str]:
    """The column names of a schema that parquet_schema lists depth first, root first."""
    names: list[str] = []
    skip = 0
    for name, children in fields[1:]:
        if skip == 0:
            names.append(name)
            skip = children or 0
        else:
            skip += (children or 0) - 1
    return names


def _is_parquet(source: Path) -> bool:
    if source.suffix.lower() in (".parquet", ".pq"):
        source.open("rb").close()  # its absence is an OSError here, not a riddle of DuckDB's
        return True
    with source.open("rb") as file:
        return file.read(4) == b"PAR1"


def _check_names(table: Table) -> None:
    seen: dict[str, str] = {UNIT: "the unit"}
    for column in table.columns:
        twin = seen.setdefault(column.name.casefold(), column.name)
        if twin is not column.name or column.name == "":
            raise Misconfigured(f"table {table.name}: columns {twin} and {column.name} need distinct names")


def _schema(table: Table) -> list[list[str | bool | None]]:
    columns: list[list[str | bool | None]] = [[c.name, c.type.value, c.integer_codes] for c in table.columns]
    return [[table.unit], *columns]


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("duckdb")


def _safe(name: str) -> str:
    return re.sub(r"[/\\%\x00-\x1f]|^\.", lambda found: f"%{ord(found[0]):02X}", name) or "%"


def _seal(partial: Path) -> None:
    for file in partial.iterdir():
        file.chmod(0o600)
        _sync(file)
    _sync(partial)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
