"""`cotally doctor`: what on this machine, or on the way to the coordinator, would stand in the way."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from . import machine, packages, reach
from .findings import Finding, Verdict

VARIABLE: Final = "COTALLY_PROFILE"
_MARKS: Final = {Verdict.OK: "✓", Verdict.WARN: "!", Verdict.FAIL: "✗"}


class DoctorCommand:
    """`cotally doctor`."""

    name = "doctor"
    help = "check this machine, and the way to the coordinator"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Which profile, and how to print."""
        parser.add_argument("--profile", type=Path, metavar="PATH",
                            help="a profile.toml, node.toml or keyholder.toml to check as well "
                                 f"(default: where {VARIABLE} points, if it is set)")
        parser.add_argument("-o", "--output", choices=["table", "json"], default="table",
                            help="json prints one object per check (default: %(default)s)")
        parser.epilog = ("Examples\n  cotally doctor\n  cotally doctor --profile node.toml\n\n"
                         "It changes nothing and sends no question. Exit status: 0 without a failed check,\n"
                         "else that of the first: 3 this machine or a file, 7 unreachable, 8 credentials.")

    def run(self, args: argparse.Namespace) -> int:
        """Check everything; print a line each."""
        profile = args.profile or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
        findings = [*machine.check(), *packages.check(), *(reach.check(profile) if profile else ())]
        if args.output == "json":
            for finding in findings:
                print(json.dumps(finding.to_dict(), ensure_ascii=False))
        else:
            print("\n".join(lines(findings)))
        return next((f.status for f in findings if f.verdict is Verdict.FAIL), 0)


def lines(findings: Sequence[Finding]) -> list[str]:
    """The findings for people; each that is not ok is followed by what mends it."""
    width = max(len(f.check) for f in findings)
    shown = []
    for f in findings:
        shown.append(f"{_MARKS[f.verdict]} {f.verdict.value:<4}  {f.check:<{width}}  {f.detail}")
        if f.fix:
            shown.append(f"{'':{width + 8}}  -> {f.fix}")
    bad = sum(f.verdict is Verdict.FAIL for f in findings)
    return [*shown, "", "all is well" if not any(f.fix for f in findings) else
            f"{bad} to mend" if bad else "nothing stands in the way"]


command = DoctorCommand()
