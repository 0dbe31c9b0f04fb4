"""What a file or a folder of files says of its tables, read as a node would read it.

A file that a node could not read is refused here, with one sentence that says what to do about it.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cotally.server.model.catalog import Column, ColumnType
from cotally.v1.refusals import Misconfigured

from .relation import MAX_CODES, Relation, Seen, identifier, seen

_FILES: Final = (".csv", ".parquet", ".pq")
_PARQUET: Final = {
    "integer": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
                "UBIGINT"),
    "float": ("FLOAT", "DOUBLE"),
    "date": ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"),
    "category": ("VARCHAR", "BOOLEAN", "UUID"),
}
_GUESSES: Final = (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.DATE)
_MOST: Final = 0.95  # of a text column's cells that must be numbers or dates for it to be proposed as such
_SEPARATORS: Final = ";\t|"
_SAMPLE: Final = 1 << 20  # bytes of a file that its encoding is judged by


def of_files(path: Path, base: Path) -> tuple[list[Relation], list[str]]:
    """The tables of a file or folder, and a sentence for each file that is none; Misconfigured if all are.

    Addresses are relative to *base*.
    """
    if not path.exists():
        raise Misconfigured(f"{path}: there is no such file or folder")
    if path.is_file():
        return [_of_file(path, base, ())], []
    _refuse_dataset(path)
    found: list[Relation] = []
    left: list[str] = []
    for file in sorted(p for p in path.glob("[!.]*") if p.suffix.lower() in _FILES):
        try:
            found.append(_of_file(file, base, [r.name for r in found]))
        except Misconfigured as reason:
            left.append(reason.message)
    if not found and left:
        raise Misconfigured(left[0])
    return found, left


def _refuse_dataset(path: Path) -> None:
    """A folder that Spark wrote is one table of many files."""
    if (path / "_delta_log").is_dir():
        raise Misconfigured(f"{path}: this is a Delta table; name it by a Spark that knows Delta, as in "
                            "sc://spark.example:15002?table=lake.visits&snapshots=s3a://cotally")
    if (path / "_SUCCESS").exists() or any(path.glob("part-*.parquet")):
        raise Misconfigured(f"{path}: this folder is one table that Spark wrote; name it "
                            f"spark://local?path={path}")


def _of_file(file: Path, base: Path, taken: Sequence[str]) -> Relation:
    import duckdb

    from cotally.server.engines.duckdb.lockdown import locked
    shown = Path(os.path.relpath(file.absolute(), base.absolute()))
    parquet = file.suffix.lower() != ".csv"
    try:
        with tempfile.TemporaryDirectory() as folder:
            read = file.absolute() if parquet else Path(folder) / "tidy.csv"
            header = [] if parquet else _tidied(file, read)
            with locked([read], Path(folder) / "spill", 512) as connection:
                rows, columns = (_of_parquet(connection, read, shown) if parquet else
                                 _of_text(connection, read, header))
    except duckdb.Error as error:
        what = "it is no readable Parquet file" if parquet else f"it cannot be read ({type(error).__name__})"
        raise Misconfigured(f"{shown}: {what}") from None
    except OSError as error:
        raise Misconfigured(f"{shown}: it cannot be read: {error.strerror}") from None
    return Relation(identifier(file.stem, taken), str(shown), rows, tuple(columns))


def _tidied(file: Path, target: Path) -> list[str]:
    """Rewrite *file* as a node does, all its columns; return the header, or say what is wrong with it."""
    from cotally.server.engines.duckdb.tidy import tidy
    names = checked_header(file)
    tidy(file, target, names)
    return names


def checked_header(file: Path) -> list[str]:
    """The columns that a CSV file names; Misconfigured says why a node cannot read it as it is spelled."""
    from cotally.server.engines.duckdb.tidy import header
    _check_encoding(file)
    names = header(file)
    _check_header(file, names)
    return names


def _check_encoding(file: Path) -> None:
    with file.open("rb") as opened:
        sample = opened.read(_SAMPLE)
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Misconfigured(f"{file.name}: it is UTF-16, not UTF-8; run: iconv -f UTF-16 -t UTF-8")
    try:
        sample[:sample.rfind(b"\n") + 1 or None].decode("utf-8")
    except UnicodeDecodeError:
        first = sample.partition(b"\n")[0]
        try:
            first.decode("utf-8")
        except UnicodeDecodeError:
            raise Misconfigured(f"{file.name}: its first line is not UTF-8; if it is GBK, run: "
                                "iconv -f GB18030 -t UTF-8") from None
        if _readable(sample, "gb18030"):
            raise Misconfigured(f"{file.name}: it is not UTF-8; if it is GBK, run: iconv -f GB18030 -t UTF-8"
                                ) from None


def _readable(sample: bytes, encoding: str) -> bool:
    try:
        sample[:sample.rfind(b"\n") + 1 or None].decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _check_header(file: Path, header: Sequence[str]) -> None:
    if len(header) == 1 and (marks := [mark for mark in _SEPARATORS if mark in header[0]]):
        raise Misconfigured(f"{file.name}: its cells are separated by {marks[0]!r}; write them with commas")
    if any(not name or name[0] in "0123456789+-." for name in header):
        raise Misconfigured(f"{file.name}: its first line is no header (a name is empty or begins like a "
                            "number); it must name the columns")
    twice = next((name for i, name in enumerate(header)
                  if name.casefold() in {each.casefold() for each in header[:i]}), None)
    if twice is not None:
        raise Misconfigured(f"{file.name}: two columns have the same name; names must differ in more than "
                            "upper and lower case")


def _of_text(connection: Any, file: Path, header: Sequence[str]) -> tuple[int, list[Seen]]:
    """Rows and columns of a tidied file: each has the type that nearly all of its cells have."""
    from cotally.server.engines.duckdb import decode
    from cotally.server.engines.duckdb.lockdown import escaped
    from cotally.server.engines.duckdb.snapshot import text_reader
    reader, binding = text_reader(len(header)), {"file": escaped(file)}
    wanted = []
    for i in range(len(header)):
        cell = f"c{i}"
        wanted += [f"count({decode.present(cell, 'VARCHAR')})", f"approx_count_distinct({cell})"]
        wanted += [f"count({decode.cell(Column(cell, guess), cell, 'VARCHAR')})" for guess in _GUESSES]
    statement = f"SELECT count(*), {', '.join(wanted)} FROM {reader}"  # noqa: S608
    rows, *numbers = connection.execute(statement, binding).fetchone()
    columns = []
    for i, name in enumerate(header):
        filled, distinct, *fitting = numbers[5 * i : 5 * i + 5]
        kind = next((guess.value for guess, fits in zip(_GUESSES, fitting, strict=True)
                     if filled and fits >= _MOST * filled), "category")
        codes = _codes(connection, reader, f"c{i}", binding, distinct) if kind == "category" else []
        columns.append(seen(name, kind, rows, filled, distinct, codes))
    return rows, columns


def _of_parquet(connection: Any, file: Path, shown: Path) -> tuple[int, list[Seen]]:
    """Rows and columns of a Parquet file, by its own types."""
    from cotally.server.engines.duckdb.lockdown import escaped
    reader, binding = "read_parquet($file, hive_partitioning = false)", {"file": escaped(file)}
    described = connection.execute(f"DESCRIBE FROM {reader}", binding).fetchall()
    places = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name, *_ in described]
    if not places:
        raise Misconfigured(f"{shown}: it has no columns")
    counts = ", ".join(f"count({place}), approx_count_distinct({place})" for place in places)
    statement = f"SELECT count(*), {counts} FROM {reader}"  # noqa: S608
    rows, *numbers = connection.execute(statement, binding).fetchone()
    columns = []
    for i, (name, kind, *_) in enumerate(described):
        filled, distinct = numbers[2 * i : 2 * i + 2]
        type_ = type_of(kind, _PARQUET)
        codes = _codes(connection, reader, places[i], binding, distinct) if type_ == "category" else []
        columns.append(seen(name, type_, rows, filled, distinct, codes))
    return rows, columns


def _codes(connection: Any, reader: str, place: str, binding: Mapping[str, str], distinct: int) -> list[str]:
    if distinct > 2 * MAX_CODES:  # an estimate
        return []
    return [row[0] for row in connection.execute(
        f"SELECT DISTINCT CAST({place} AS VARCHAR) AS code FROM {reader}"  # noqa: S608
        f" WHERE {place} IS NOT NULL AND CAST({place} AS VARCHAR) <> '' ORDER BY code LIMIT {MAX_CODES + 1}",
        binding).fetchall()]


def type_of(kind: str, known: Mapping[str, Sequence[str]]) -> str:
    """The catalog's type for a database's *kind*; empty where it has none."""
    if kind.upper().startswith("DECIMAL") and not kind.endswith("]"):
        return "float"
    if kind.startswith("ENUM(") and not kind.endswith("]"):
        return "category"
    return next((type_ for type_, kinds in known.items() if kind in kinds), "")
