"""`cotally node snapshot`: the SQL with which a database's administrator makes a vintage, or its making."""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cotally.server.engines.engine import EngineError
from cotally.server.engines.source import PostgresTable, parse
from cotally.server.model.catalog import Table
from cotally.server.settings import config as role_config
from cotally.server.wire import charter as wire_charter
from cotally.v1.refusals import Misconfigured

from .spec import load_spec


@dataclass(frozen=True, slots=True)
class Held:
    """A table of PostgreSQL that one department holds."""

    department: str
    table: Table
    source: PostgresTable


def holdings(file: Path) -> Iterator[Held]:
    """Every table of PostgreSQL that *file*, a node.toml or a SPEC.toml, names."""
    if _is_spec(file):
        spec = load_spec(file)
        for department in spec.departments:
            for table in spec.tables:
                if table.name in department.data:
                    source = parse(spec.data_source(department, table.name), file.parent)
                    if isinstance(source, PostgresTable):
                        yield Held(department.name, table, source)
        return
    settings = role_config.node(file)
    federation = wire_charter.load(settings.common.charter, settings.common.roster)
    for table in federation.catalog.tables:
        found = settings.data.get(table.name)
        if isinstance(found, PostgresTable):
            yield Held(settings.common.name, table, found)


class SnapshotCommand:
    """`cotally node snapshot`."""

    name = "snapshot"
    help = "print the SQL that makes a vintage in PostgreSQL, for the database's administrator"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """What to make, and whether to make it."""
        parser.add_argument("config", type=Path, metavar="CONFIG", help="a department's node.toml, or a spec")
        parser.add_argument("--department", metavar="NAME", help="of a spec with several (default: all)")
        parser.add_argument("--table", metavar="T", help="one table (default: all that PostgreSQL holds)")
        parser.add_argument("--apply", metavar="URL",
                            help="run it as this role, which may read the source and create tables: "
                                 "postgresql://admin@host/database")
        parser.add_argument("-o", choices=["text", "json"], default="text", dest="output")
        parser.epilog = ("Examples\n  cotally node snapshot node.toml | psql -d health\n"
                         "  cotally node snapshot node.toml --apply postgresql://admin@db.example/health\n\n"
                         "The node's own role needs no right to write, nor to read the source.")

    def run(self, args: argparse.Namespace) -> int:
        """Print or run the statements of each table."""
        found = [h for h in holdings(args.config) if args.table in (None, h.table.name)
                 and args.department in (None, h.department)]
        if not found:
            raise Misconfigured(f"{args.config}: no such table lies in PostgreSQL")
        for held in found:
            try:
                statements, name = _statements(held)
                if args.apply:
                    _apply(args.apply, statements)
            except EngineError as error:
                raise Misconfigured(f"data.{held.table.name}: {error}") from None
            _print(args, held, name, statements)
        return 0


def _statements(held: Held) -> tuple[list[str], str]:
    from cotally.server.engines.postgres import session, snapshot  # late: psycopg is an extra
    with session.connect(held.source.url) as connection:
        session.check_server(connection)
        reader = connection.info.user
        return (snapshot.script(connection, held.table, held.source, reader),
                snapshot.name_of(held.table, held.source))


def _apply(url: str, statements: list[str]) -> None:
    import psycopg
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
    except psycopg.errors.DuplicateTable:
        raise Misconfigured("this vintage was made already; a vintage never changes") from None
    except psycopg.Error as error:
        why = error.sqlstate or str(error).partition("\n")[0]
        raise Misconfigured(f"the database refused: {type(error).__name__}, {why}") from None


def _print(args: argparse.Namespace, held: Held, name: str, statements: list[str]) -> None:
    if args.output == "json":
        said = {"department": held.department, "table": held.table.name, "vintage": held.table.vintage,
                "snapshot": f"{held.source.store}.{name}", "made": bool(args.apply)}
        print(json.dumps(said if args.apply else said | {"sql": statements}))
    elif args.apply:
        print(f"made {held.source.store}.{name}: vintage {held.table.vintage} of {held.table.name}")
    else:
        title = f"Vintage {held.table.vintage} of {held.table.name}, copied from {held.source}"
        sys.stdout.write(f"-- {' '.join(title.split())}\n\\set ON_ERROR_STOP on\n"
                         + "".join(f"{statement};\n" for statement in statements))


def _is_spec(file: Path) -> bool:
    try:
        return "federation" in tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as reason:
        raise Misconfigured(f"{file}: cannot be read: {reason}") from None


command = SnapshotCommand()
