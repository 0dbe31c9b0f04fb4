"""Key holders' passphrases, from a file of mode 0600 or from whoever sits at the terminal."""

import sys
from collections.abc import Sequence
from getpass import getpass
from pathlib import Path
from typing import Final

from cotally.server.crypto import private_files
from cotally.v1.refusals import Misconfigured

MINIMUM: Final = 8  # bytes


def read(file: Path | None, holders: Sequence[str]) -> list[bytes]:
    """One passphrase for each of *holders*: the lines of *file* in order, one line for all, or asked for."""
    if file is None:
        return [_ask(name) for name in holders]
    lines = private_files.read(file).splitlines()
    if len(lines) == 1:
        lines *= len(holders)
    if len(lines) != len(holders):
        raise Misconfigured(f"{file}: must hold one line for each of {len(holders)} key holders, or one "
                            f"for all, not {len(lines)} lines")
    if any(len(line) < MINIMUM for line in lines):
        raise Misconfigured(f"{file}: a passphrase must have at least {MINIMUM} bytes")
    return lines


def _ask(name: str) -> bytes:
    if not sys.stdin.isatty():
        raise Misconfigured("no terminal to ask for passphrases at; use --passphrase-file FILE")
    while True:
        first = getpass(f"passphrase of {name}: ")
        if len(first.encode()) < MINIMUM:
            print(f"at least {MINIMUM} bytes, please", file=sys.stderr)
        elif getpass("once more: ") != first:
            print("these two differ", file=sys.stderr)
        else:
            return first.encode()
