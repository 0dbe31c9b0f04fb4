"""`cotally node sent`: everything that left the building, from the node's own chain, which it verifies."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from string import hexdigits

from cotally.server.node import sent
from cotally.server.node.sent import Entry
from cotally.server.settings import config, party
from cotally.server.store.database import open_database
from cotally.v1.refusals import Misconfigured

from .remembered import check_remembered, remembered_of
from .said import add_output


class SentCommand:
    """`cotally node sent`."""

    name = "sent"
    help = "show and verify everything that this node has sent"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """CONFIG, and which entries."""
        parser.add_argument("config", type=Path, metavar="CONFIG", help="the department's node.toml")
        parser.add_argument("--round", type=_digits, default="", metavar="HEX",
                            help="only of rounds that begin so")
        parser.add_argument("--last", type=_count, metavar="N", help="only the last N")
        parser.add_argument("--log", type=Path, metavar="EVIDENCE",
                            help="an audit file: look for every entry that the log remembers")
        add_output(parser)
        parser.epilog = ("Digests are those of the audit evidence: of a Commit the commitment in the\n"
                         "frozen roster, of a Reveal the reveal in the transcript. The whole chain is\n"
                         "always verified: a break exits with 4 and names the entry. With --log it is\n"
                         "compared with the audit log, which knows the last entry at the time of each of\n"
                         "our commitments: a chain that was cut short or written anew exits with 4 too.\n"
                         "Save and verify that file with `cotally audit` first.")

    def run(self, args: argparse.Namespace) -> int:
        """Verify all entries, then show those that are asked for."""
        common = config.node(args.config).common
        path = common.state / "sent.db"
        if not path.exists():
            raise Misconfigured(f"{path}: this node has not run yet")
        chain = list(sent.Sent(open_database(path, sent.SCHEMA), lambda: 0).entries())
        remembered = (remembered_of(args.log, common.name, party.federation(common).founding)
                      if args.log else {})
        check_remembered(chain, remembered)
        shown = [entry for entry in chain if entry.round.hex().startswith(args.round)]
        shown = shown[-args.last:] if args.last else shown
        head = chain[-1].hash.hex() if chain else ""
        if args.output == "json":
            print(json.dumps({"entries": [_plain(e) for e in shown], "count": len(chain), "head": head,
                              "remembered": len(remembered)}))
        else:
            for entry in shown:
                print(_line(entry))
            print(f"{len(chain)} entries, chain intact; last hash {head or '(none)'}")
            if args.log:
                print(f"the log remembers the last entry of {len(remembered)} rounds; all are here")
        return 0


def _digits(text: str) -> str:
    """The hexadecimal digits that a round begins with."""
    digits = text.lower()
    if set(digits) - set(hexdigits):
        raise argparse.ArgumentTypeError(f"{text!r} is no beginning of a round: hexadecimal digits")
    return digits


def _count(text: str) -> int:
    """How many entries to show."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of entries: 1 or more")
    return int(text)


def _when(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _plain(entry: Entry) -> dict[str, object]:
    return {"index": entry.position, "time": _when(entry), "kind": entry.kind, "round": entry.round.hex(),
            "bytes": entry.size, "digest": entry.digest.hex(), "hash": entry.hash.hex()}


def _line(entry: Entry) -> str:
    round_ = entry.round.hex()[:16] or "-"
    return (f"{entry.position:>7}  {_when(entry)}  {entry.kind:<8}{round_:<18}{entry.size:>10} bytes  "
            f"{entry.digest.hex()[:16]}")


command = SentCommand()
