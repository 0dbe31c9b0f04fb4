"""`cotally node check`: whether this department's node would serve, and what mends what it would not."""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cotally.server.engines.engine import EngineError
from cotally.server.engines.holding import Holding
from cotally.server.engines.source import File, PostgresTable, Source
from cotally.server.model.catalog import Table
from cotally.server.settings import config as role_config
from cotally.server.wire import charter as wire_charter
from cotally.v1.refusals import Misconfigured

from . import machine, packages, reach
from .doctor import lines
from .findings import UNREACHABLE, Finding, Verdict, fail, ok, warn
from .parity_check import parity

_TELLING: Final = ("have no ", "repeat a ", "privacy units, more than", "are not among its codes",
                   "outside its bounds", "count as NULL", "declared without")


class CheckCommand:
    """`cotally node check`."""

    name = "check"
    help = "check machine, credentials, coordinator, data and rights of a department's node"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Which node, and how much."""
        parser.add_argument("config", type=Path, metavar="CONFIG", help="the department's node.toml")
        parser.add_argument("--parity", action="store_true",
                            help="also compare the engine with DuckDB, on a table of nobody's records")
        parser.add_argument("--offline", action="store_true", help="do not dial the coordinator")
        parser.add_argument("-o", "--output", choices=["table", "json"], default="table",
                            help="json prints one object per check (default: %(default)s)")
        parser.epilog = ("It changes nothing. Exit status: 0 if no check failed, else the first one's,\n"
                         "3 this machine or a file, 7 unreachable, 8 credentials.")

    def run(self, args: argparse.Namespace) -> int:
        """Check everything that can be checked; print a line each."""
        findings = [*machine.check(), *packages.check()]
        findings += node_findings(args.config, args.parity, args.offline)
        if args.output == "json":
            print("\n".join(json.dumps(finding.to_dict()) for finding in findings))
        else:
            print("\n".join(lines(findings)))
        return next((f.status for f in findings if f.verdict is Verdict.FAIL), 0)


def node_findings(path: Path, with_parity: bool, offline: bool) -> Iterator[Finding]:
    """Findings on the node.toml at *path*; later ones need earlier ones."""
    try:
        settings = role_config.node(path)
        federation = wire_charter.load(settings.common.charter, settings.common.roster)
    except Misconfigured as reason:
        yield fail("config", reason.message, f"mend {path}")
        return
    yield ok("config", f"{settings.common.name} in {federation.name}")
    credentials = reach.check_files(path) if offline else reach.check(path)
    yield from credentials
    yield _disk(settings.common.state)
    yield from _grants(settings, path)
    held = [t for t in federation.catalog.tables if settings.common.name in t.holders]
    for table in held:
        source = settings.data.get(table.name)
        if source is None:
            yield fail(f"data.{table.name}", "is missing, and the catalog says that we hold it",
                       f"name a file or a database as data.{table.name} in {path}")
            continue
        yield from _table(table, source, settings, path)
        if with_parity:
            yield parity(table, source, federation.rules)
    for name in sorted(set(settings.data) - {t.name for t in held}):
        yield fail(f"data.{name}", "is not ours in the catalog", f"remove data.{name} from {path}")


def _disk(state: Path) -> Finding:
    folder = next(p for p in (state, *state.parents) if p.exists())
    free = shutil.disk_usage(folder).free
    said = f"{free / machine.GIB:.1f} GiB free for {state}"
    if free < 100 * machine.MIB:
        return fail("disk", said, f"free some space, or move `state`: df -h {folder}")
    return ok("disk", said) if free >= machine.GIB else warn("disk", said, f"df -h {folder}")


def _grants(settings: role_config.NodeConfig, path: Path) -> Iterator[Finding]:
    found = sorted(settings.grants.glob("*.grant")) if settings.grants.is_dir() else []
    if found:
        yield ok("grants", f"{len(found)} in {settings.grants}")
    else:
        yield warn("grants", f"none in {settings.grants}: every question is refused",
                   f"cotally node grant {path} --analyst NAME --purpose PURPOSE")


def _table(table: Table, source: Source, settings: role_config.NodeConfig, path: Path) -> Iterator[Finding]:
    """What stands in the way of the table's current vintage, and what is odd about its cells."""
    check = f"data.{table.name}"
    with tempfile.TemporaryDirectory() as scratch:
        try:
            report = Holding(_state(settings.common.state, table, source, Path(scratch)),
                             settings.data).snapshot(table)
        except EngineError as reason:
            yield fail(check, str(reason), _dial(source), UNREACHABLE)
            return
        except Misconfigured as reason:
            yield fail(check, reason.message, _mend(reason.message, table, source, path))
            return
    yield ok(check, f"vintage {table.vintage}, {report.rows} records of {source}")
    for note in report.notes:
        if any(telling in note for telling in _TELLING):
            yield warn(check, note, "mend the source before the next vintage, or leave it: it is bounded")


def _state(state: Path, table: Table, source: Source, scratch: Path) -> Path:
    """Where a vintage of a file was made already, or a folder that is thrown away."""
    if not isinstance(source, File):
        return scratch
    from cotally.server.engines.duckdb import snapshot
    return state if snapshot.folder(state, table).exists() else scratch


def _dial(source: Source) -> str:
    if isinstance(source, PostgresTable):
        return f"psql '{source.url}' -c 'SELECT 1'"
    return "ask whether it runs, and whether a firewall lets you dial out"


def _mend(reason: str, table: Table, source: Source, path: Path) -> str:
    """The command that mends what *reason* names."""
    if "pip install" in reason:
        return reason[reason.index("pip install"):]
    if isinstance(source, PostgresTable):
        if "no snapshot" in reason:
            return f"cotally node snapshot {path} --table {table.name} | psql ..."
        if "can only read" in reason:
            return "CREATE ROLE cotally_reader LOGIN; and dial as that role"
    if isinstance(source, File) and not source.path.exists():
        return f"put the file at {source.path}, or change data.{table.name} in {path}"
    return f"mend the source, or data.{table.name} in {path}"


command = CheckCommand()
