"""`cotally audit`: the federation's log, checked from its first entry, and every budget added up again."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cotally.v1.commands import Group
from cotally.v1.refusals import Misconfigured, Refused

from .accounts import print_accounts
from .kept import told_of
from .output import JSON, TABLE, add_output, add_profile, print_json, print_lines
from .pins import add_roster, pin
from .processors import processes

if TYPE_CHECKING:
    from ..audit.verifier import Audited

_TICK: Final = "✓"
_CROSS: Final = "✗"


class VerifyCommand:
    """`cotally audit verify [FILE ...]`."""

    name = "verify"
    help = "check the whole audit log against its witnesses, and add up every budget"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Files, and where the pin comes from."""
        parser.add_argument("files", type=Path, metavar="FILE", nargs="*",
                            help="what `cotally audit save` wrote; without one the log is fetched")
        add_roster(parser)
        add_output(parser)
        add_profile(parser)
        parser.epilog = (
            "Examples\n  cotally audit verify\n  cotally audit verify pums.audit --roster 9f86d081...\n"
            "  cotally audit verify mine.audit yours.audit     # do we see the same log?\n\n"
            "Every entry is hashed again; the root must be the one that the witnesses signed. Every\n"
            "budget is added up from the entries alone. With files nothing is asked of anybody; of\n"
            "several, the shorter must be how the longest begins. The exit status is 0 only if nothing\n"
            "is wrong; an error names the index of the entry.")

    def run(self, args: argparse.Namespace) -> int:
        """Print what the log proves; raise what is wrong."""
        if args.files:
            audited = _offline(args)
        else:
            from .session import connected
            with connected(args.profile) as con:
                audited = con.audit(processes=processes())
        _print(audited, args.output)
        audited.check()
        return 0


class SaveCommand:
    """`cotally audit save FILE`."""

    name = "save"
    help = "fetch the audit log, verify it, and keep it as evidence"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """FILE."""
        parser.add_argument("file", type=Path, metavar="FILE")
        add_output(parser)
        add_profile(parser)
        parser.epilog = ("Example\n  cotally audit save pums.audit\n\n"
                         "Where FILE is there already, only what came since is fetched, and the log must\n"
                         "go on from it: who saves now and then finds out a log that is rewritten. Nothing\n"
                         "is written unless everything verifies.")

    def run(self, args: argparse.Namespace) -> int:
        """Fetch, verify, write; tell what is wrong with what the log says."""
        from .session import connected
        with connected(args.profile) as con:
            audited = con.audit(args.file, processes())
        size = args.file.stat().st_size
        if args.output == JSON:
            print_json({**_head(audited), "file": str(args.file), "bytes": size})
        else:
            print_lines([f"{args.file}: {audited.head.size} entries, {size:,} bytes, verified"])
        audited.check()
        return 0


def _offline(args: argparse.Namespace) -> "Audited":
    from ..audit.verifier import verify_file
    from ..audit.views import check_same_log
    fingerprint, views = pin(args), []
    for path in args.files:
        try:
            with told_of(path):
                views.append((path, verify_file(path, fingerprint, processes())))
        except (Refused, Misconfigured):
            if args.output == TABLE:
                print_lines([f"{_CROSS} {path} is not verified"])
            raise
    return check_same_log(views)


def _head(audited: "Audited") -> dict[str, object]:
    return {"federation": audited.federation, "size": audited.head.size, "root": audited.head.root.hex(),
            "verified": not audited.found}


def _print(audited: "Audited", output: str) -> None:
    accounts = [each.to_dict() for each in audited.accounts]
    if output == JSON:
        print_json({
            **_head(audited), "witnesses": list(audited.witnesses), "checkpoints": audited.checkpoints,
            "rounds": audited.rounds, "budgets": accounts,
            "findings": [{"index": f.index, "refusal": f.refusal, "message": f.sentence}
                         for f in audited.findings]})
        return
    rounds = ", ".join(f"{number} {what}" for what, number in audited.rounds.items())
    print_lines([f"{_TICK} the log of {audited.federation} is whole and witnessed",
                 f"  {audited.head.size} entries, root {audited.head.root.hex()}",
                 f"  cosigned by {', '.join(audited.witnesses)}",
                 f"  rounds: {rounds}", ""])
    print_accounts(accounts)
    print_lines(f"{_CROSS} {finding.sentence}" for finding in audited.findings)


command = Group("audit", "check the federation's whole audit log", [VerifyCommand(), SaveCommand()])
