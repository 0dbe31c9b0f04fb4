"""Runs the tour for the profile that COTALLY_PROFILE names.

    python -m cotally.client.tour --script SCRIPT.json --summary SUMMARY.json --home DIR [--kept] [--quiet]

The federation lies in DIR. Keepsakes go to the current folder, or to DIR where it is kept. The summary,
one JSON object, is written at the end. Exit codes are those of the command line.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .. import profile
from ..cli import errors
from . import script
from .show import Home, tour
from .stage import Stage


def main(argv: Sequence[str] | None = None) -> int:
    """Give the tour; return the exit status."""
    parser = argparse.ArgumentParser(prog="cotally.client.tour")
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--summary", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--cotally", default="cotally", metavar="TEXT", help="how the command is typed")
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args(argv)
    begun = time.monotonic()
    try:
        home = Home(args.home, args.kept, args.home if args.kept else Path.cwd(), args.cotally)
        seen = tour(Stage(quiet=args.quiet), script.load(args.script), profile.load(), home)
        seen["seconds"] = {"tour": round(time.monotonic() - begun, 2)}
        args.summary.write_text(json.dumps(seen, allow_nan=False), "utf-8")
    except (Exception, KeyboardInterrupt) as error:
        return errors.report(error, errors.Style(json=args.quiet))
    return 0


if __name__ == "__main__":
    sys.exit(main())
