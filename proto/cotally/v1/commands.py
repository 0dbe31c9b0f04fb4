"""How a subcommand of `cotally` looks, so that the command line can mount what it does not import.

The client owns the command line and the server owns most commands; neither imports the other.
Each subcommand is announced as an entry point of the group `cotally.commands` and is an object
with a name, one line of help, `configure` (declares its arguments) and `run` (does the work and
returns the exit status). Expected errors are raised as `Refused` or `Misconfigured`; the command
line turns them into one sentence and an exit code. `-o json` is declared by the command itself,
where it has something to print.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

GROUP: Final = "cotally.commands"


@runtime_checkable
class Command(Protocol):
    """One subcommand. `run` is called with the arguments that `configure` declared."""

    @property
    def name(self) -> str:
        """The word that is typed."""
        ...

    @property
    def help(self) -> str:
        """One line for the list of commands."""
        ...

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare arguments, and teach in `parser.description` and `parser.epilog`."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit status."""
        ...


def mount(subparsers: "argparse._SubParsersAction[Any]", command: Command) -> None:
    """Add *command* to *subparsers*; afterwards `args.run(args)` runs the innermost command typed."""
    parser = subparsers.add_parser(
        command.name, help=command.help, description=command.help,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.configure(parser)
    if parser.get_default("run") is None:
        parser.set_defaults(run=command.run)


@dataclass(frozen=True, slots=True)
class Group:
    """A command that only holds others: `cotally node run`, `cotally node grant`, ..."""

    name: str
    help: str
    commands: Sequence[Command]

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Mount the commands one level down; one of them must be typed."""
        below = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
        for command in self.commands:
            mount(below, command)

    def run(self, args: argparse.Namespace) -> int:
        """Run the command that was typed below this one."""
        status: int = args.run(args)
        return status
