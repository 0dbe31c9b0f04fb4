"""`cotally ROLE run CONFIG`: the same command for every role."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import lifetime
from .logs import Log

Ready = Callable[[], None]
Serve = Callable[[Path, Log, Ready], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Runs one role until a signal comes. *serve* calls its last argument once it really serves."""

    role: str
    file: str  # what its configuration is called
    help: str
    serve: Serve
    name: str = "run"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare CONFIG and -o."""
        parser.add_argument("config", type=Path, metavar="CONFIG",
                            help=f"{self.file}, as `cotally federation init` writes it")
        parser.add_argument("-o", "--output", choices=("text", "json"), default="text",
                            help="json: say on standard output, once, that it serves")
        parser.epilog = ("Logs are JSON lines on standard error; COTALLY_LOG (debug, info, warning, error)\n"
                         "chooses how much. Ctrl-C stops it; what was in progress goes on at the next start.")

    def run(self, args: argparse.Namespace) -> int:
        """Serve; return the exit code."""
        log = Log(self.role, args.config.absolute().parent.name)

        def ready() -> None:
            if args.output == "json":
                said = {"role": self.role, "config": str(args.config), "pid": os.getpid(), "serving": True}
                print(json.dumps(said), file=sys.stdout, flush=True)

        return lifetime.run(self.serve(args.config, log, ready), log)
