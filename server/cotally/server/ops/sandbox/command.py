"""`cotally sandbox`: a whole federation on loopback, for one command or until interrupted.

  1. The spec is checked, data files included.
  2. A ceremony fills the folder, or the kept one is resumed.
  3. The coordinator starts on a free port; then key holders and nodes dial it.
  4. When all are ready, COMMAND runs with COTALLY_PROFILE; its standard output is its alone.
  5. Everything is stopped, whatever happened; a temporary folder is removed.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from cotally.server.ops import folders
from cotally.server.ops.ceremony import member_folder
from cotally.server.ops.headers import check_headers
from cotally.server.ops.spec import Spec, check_data, load_spec

from .dealing import deal_apart
from .guest import check_guest, run_guest
from .home import occupied, prepare, write_summary
from .roles import Roles, SandboxFailed, roles_of
from .signals import Signals, Stopped
from .watchdog import Watchdog

FAILED: Final = 125
PROFILE: Final = "COTALLY_PROFILE"
_POLL_S: Final = 0.2


class SandboxCommand:
    """`cotally sandbox SPEC.toml [--dir DIR] [-- COMMAND ...]`."""

    name = "sandbox"
    help = "run a whole federation on this machine, for one command or until Ctrl-C"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """SPEC, --dir, and whatever follows --."""
        parser.usage = "cotally sandbox SPEC.toml [--dir DIR] [-- COMMAND ...]"
        parser.add_argument("spec", type=Path, metavar="SPEC.toml", help="the federation to run")
        parser.add_argument("--dir", type=Path, metavar="DIR",
                            help="keep everything here, and resume it when the spec still matches")
        parser.epilog = ("COMMAND gets COTALLY_PROFILE, the first analyst's profile. The sandbox exits with\n"
                         "its status, or with 125 where the sandbox itself could not work.\n\n"
                         "    cotally sandbox SPEC.toml -- cotally ls")
        _take_the_rest(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Make, start, run, stop."""
        spec = load_spec(args.spec)
        check_data(spec)
        check_headers(spec)
        try:
            with Signals() as signals:
                return _run(spec, args.dir, args.command, signals)
        except Stopped as stopped:
            return stopped.status
        except SandboxFailed as reason:
            print(f"sandbox: {reason}", file=sys.stderr)
            return FAILED


def _run(spec: Spec, kept: Path | None, argv: Sequence[str], signals: Signals) -> int:
    check_guest(argv)
    with ExitStack() as stack:
        watchdog = Watchdog()
        stack.callback(watchdog.release)
        root = kept.absolute() if kept else _temporary(stack, watchdog)
        prepare(root, spec, lambda into: deal_apart(spec.file, into, watchdog, signals.check), _say)
        stack.enter_context(occupied(root))
        roles = Roles(roles_of(spec, root), watchdog, signals.check)
        stack.callback(roles.stop)
        roles.start(_say)
        profile = _publish(spec, root, roles)
        _say(f"ready: {spec.name}, {len(spec.departments)} departments, "
             f"any {spec.threshold} of {spec.key_holders} key holders decrypt")
        if argv:
            return run_guest(argv, {PROFILE: str(profile)}, watchdog, signals.check)
        return _serve(profile, roles, signals)


def _temporary(stack: ExitStack, watchdog: Watchdog) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cotally-sandbox-")).resolve()
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    watchdog.remove(folder)
    return folder / "sandbox"


def _publish(spec: Spec, root: Path, roles: Roles) -> Path:
    """Write the address into the analysts' profiles, and sandbox.json; return the first profile."""
    profiles = [member_folder(root, "analyst", a.name) / folders.CONFIG["analyst"] for a in spec.analysts]
    for profile in profiles:
        folders.set_value(profile, "coordinator", roles.address)
    write_summary(root, {
        "federation": spec.name, "dir": str(root), "coordinator": roles.address, "profile": str(profiles[0]),
        "profiles": {a.name: str(p) for a, p in zip(spec.analysts, profiles, strict=True)},
        "roles": roles.describe()})
    return profiles[0]


def _serve(profile: Path, roles: Roles, signals: Signals) -> int:
    """Stay until a signal comes."""
    _say(f"in another shell:\n\n    export {PROFILE}={profile}\n    cotally ls\n\nCtrl-C stops everything.")
    while True:
        signals.check()
        for sentence in roles.ended():
            _say(sentence)
        time.sleep(_POLL_S)


def _say(line: str) -> None:
    print(f"sandbox: {line}", file=sys.stderr, flush=True)


def _take_the_rest(parser: argparse.ArgumentParser) -> None:
    """Make `args.command` whatever follows the first "--".

    argparse's own REMAINDER swallows options that stand before it (bpo-17050).
    """
    parse = parser.parse_known_args

    def split(args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        words = list(sys.argv[1:] if args is None else args)
        cut = words.index("--") if "--" in words else len(words)
        namespace, extras = parse(words[:cut], namespace)
        namespace.command = words[cut + 1:]
        return namespace, extras

    parser.parse_known_args = split  # type: ignore[method-assign, assignment]


command = SandboxCommand()
