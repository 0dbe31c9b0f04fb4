"""`cotally node check`: whether this department's node would serve, and what mends what it would not."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from cotally.server.settings import config as role_config
from cotally.server.settings import party
from cotally.v1.refusals import Misconfigured

from . import machine, packages, reach, site
from .doctor import lines
from .findings import Finding, Verdict, edit, fail, ok
from .held import findings as table_findings
from .parity_check import parity


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
            print("\n".join(json.dumps(finding.to_dict(), ensure_ascii=False) for finding in findings))
        else:
            print("\n".join(lines(findings)))
        return next((f.status for f in findings if f.verdict is Verdict.FAIL), 0)


def node_findings(path: Path, with_parity: bool, offline: bool) -> Iterator[Finding]:
    """Findings on the node.toml at *path*; later ones need earlier ones."""
    try:
        settings = role_config.node(path)
        federation = party.federation(settings.common)
    except Misconfigured as reason:
        yield fail("config", reason.message, edit(path))
        return
    yield ok("config", f"{settings.common.name} in {federation.name}")
    yield from reach.check_files(path) if offline else reach.check(path)
    held = [t for t in federation.catalog.tables if settings.common.name in t.holders]
    yield from site.findings(settings, federation, held)
    for table in held:
        source = settings.data.get(table.name)
        if source is None:
            yield fail(f"data.{table.name}", "is missing, and the catalog says that we hold it", edit(path))
            continue
        yield from table_findings(table, source, settings)
        if with_parity:
            yield parity(table, source, federation.rules)
    for name in sorted(set(settings.data) - {t.name for t in held}):
        yield fail(f"data.{name}", "is not ours in the catalog", edit(path))


command = CheckCommand()
