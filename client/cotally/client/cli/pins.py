"""The fingerprint that everything offline is checked against: --roster, or the profile's."""

import argparse

from .errors import Usage


def add_roster(parser: argparse.ArgumentParser) -> None:
    """Declare --roster."""
    parser.add_argument("--roster", metavar="HEX",
                        help="the federation's fingerprint, if you have no profile")


def pin(args: argparse.Namespace) -> bytes:
    """The fingerprint of --roster, or the profile's; Usage where --roster is none."""
    if args.roster is None:
        from .. import profile
        return profile.load(args.profile).roster
    try:
        found = bytes.fromhex(args.roster)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise Usage(f"--roster takes a fingerprint of 64 hex digits, not {args.roster[:80]!r}", "cotally")
    return found
