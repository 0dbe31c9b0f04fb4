"""What `cotally --help` says: commands by who uses them, and the first things to try."""

from collections.abc import Iterable
from typing import Final

GROUPS: Final = (
    ("Analysts: ask, and check what comes back", (
        ("query", "ask a question in SQL; get numbers with error bars and their price"),
        ("ls", "list the tables that can be asked about"),
        ("describe", "show one table: columns, public bounds, what protects its people"),
        ("budget", "show what each privacy filter allows, has spent and has left"),
        ("release", "save, show again or verify a release"),
        ("audit", "check the federation's whole audit log"),
        ("version", "print the versions of program and protocol"),
    )),
    ("Departments and key holders: take part", (
        ("node", "run a department's node beside its data, and say what it allows"),
        ("keyholder", "run one holder of a key share"),
    )),
    ("Founders: bring a federation to life", (
        ("federation", "hold the ceremony, or join one with keys of your own"),
        ("coordinator", "run the bulletin board that a federation meets at"),
    )),
    ("Everybody: try, mend and measure", (
        ("demo", "a tour: five departments answer three questions, in a minute"),
        ("sandbox", "run a whole federation on this machine, for one command or until Ctrl-C"),
        ("doctor", "check this machine, and the way to the coordinator"),
        ("bench", "time the cryptography, the noise, the engine or a whole round"),
    )),
)

_HEAD: Final = """\
usage: cotally COMMAND [ARGUMENT ...]

Departments answer a statistical question together; no record leaves its department.
"""
_TAIL: Final = """\
First steps
  cotally demo                                    no set-up, no real data
  export COTALLY_PROFILE=/path/to/profile.toml    from your federation
  cotally ls
  cotally query "SELECT sex, COUNT(*) AS n FROM people GROUP BY sex WITH PRIVACY (epsilon = 0.5)"

Every command explains itself, with an example: cotally COMMAND --help
Analysts' commands print tables at a terminal and JSON (one object per line) elsewhere; -o chooses.
Exit status: 0 ok, 1 internal, 2 query or usage, 3 config or spec, 4 refused by policy, 5 budget,
  6 too few departments, 7 unreachable or timed out, 8 credentials, 125 sandbox, 130 interrupted.
With JSON, an error is {"refusal": NAME, "message": TEXT} on standard error. NAME is a refusal of
  the contract, MISCONFIGURED for a config, spec or file that cannot be used, or INTERRUPTED.
"""


def text(names: Iterable[str]) -> str:
    """The help for the commands *names*; one that no group knows is listed at the end."""
    present = set(names)
    parts = [_HEAD]
    for title, commands in GROUPS:
        lines = [f"  {name:<13}{line}" for name, line in commands if name in present]
        if lines:
            parts.append("\n".join([title, *lines, ""]))
    known = {name for _, commands in GROUPS for name, _ in commands}
    if others := sorted(present - known):
        parts.append(f"Added by other packages\n  {', '.join(others)}\n")
    return "\n".join([*parts, _TAIL])
