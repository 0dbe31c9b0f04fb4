"""The program `cotally`: find the command that was typed, run it, turn every error into one sentence.

  1. The first word names a command: the client's own (`catalogue.OWN`), or one that another package
     announces as an entry point. Only that command's module is imported.
  2. The command declares its arguments and runs. Nothing it raises becomes a traceback.
  3. The exit status is the contract's (`cotally.v1.refusals.EXIT_CODE`, and `errors`).
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

from cotally.v1.commands import Command, mount

from . import catalogue, errors, overview
from .errors import Usage
from .output import default_output
from .suggest import suggestion


class Parser(argparse.ArgumentParser):
    """Raises Usage where argparse would exit, and suggests what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Raise Usage with argparse's sentence."""
        raise Usage(message, self.prog)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        choices = [str(choice) for choice in action.choices or ()]
        if choices and str(value) not in choices:
            near = suggestion(str(value), choices)
            raise argparse.ArgumentError(
                action, f"there is no {str(value)!r}; " + (f"did you mean {near!r}?" if near else
                                                          f"choose from {', '.join(choices)}"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv* (default: this process's); return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    _survive_odd_terminals()
    style = errors.Style(_wants_json(words))
    try:
        try:
            status = _run(words, style)
            sys.stdout.flush()
        except BrokenPipeError:
            _close_quietly()
            return 0  # whoever read our output has seen enough
        except SystemExit as leaving:  # argparse, after --help
            return leaving.code if isinstance(leaving.code, int) else 0
        return status
    except (Exception, KeyboardInterrupt) as error:
        return errors.report(error, style)


def _run(words: list[str], style: errors.Style) -> int:
    name = words[0] if words else ""
    if name == "help":  # `cotally help query` is `cotally query --help`
        words = [*words[1:], "--help"]
        name = words[0]
    if name in ("", "-h", "--help"):
        print(overview.text(catalogue.names()), end="")
        return 0
    if name in ("-V", "--version"):
        words, name = ["version", *words[1:]], "version"
    if name.startswith("-"):
        raise Usage(f"the first word is a command, not an option such as {name}", "cotally")
    command = _find(name)
    parser = Parser(prog="cotally", add_help=False)
    mount(parser.add_subparsers(parser_class=Parser, required=True, metavar="COMMAND"), command)
    args = parser.parse_args(words)
    style.json = _resolve_output(name, args) == "json"
    try:
        status: int = args.run(args)
    except ModuleNotFoundError as error:  # what a command imports only when it runs
        raise catalogue.needs_more(name, error) from error
    return status


def _find(name: str) -> Command:
    command = catalogue.load(name)
    if command is not None:
        return command
    near = suggestion(name, catalogue.names())
    raise Usage(f"there is no command {name!r}" + (f"; did you mean `cotally {near}`?" if near else ""),
                "cotally")


def _resolve_output(name: str, args: argparse.Namespace) -> str | None:
    """What to print; an analyst's command that was not told prints tables to people and JSON to programs."""
    output: str | None = getattr(args, "output", None)
    if output is None and name in catalogue.OWN:
        output = args.output = default_output()
    return output


def _wants_json(words: Sequence[str]) -> bool:
    """Whether it is told as JSON that *words* make no sense: what is known before they are parsed."""
    words = words[:words.index("--")] if "--" in words else words
    for word, following in pairwise([*words, ""]):
        if word in ("-o", "--output"):
            return following == "json"
        if word in ("-ojson", "--output=json"):
            return True
    return bool(words) and words[0] in catalogue.OWN and default_output() == "json"


def _survive_odd_terminals() -> None:
    """A character that the terminal cannot show becomes "?", not an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _close_quietly() -> None:
    """Keep the interpreter from complaining, when it exits, that nobody reads any more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
