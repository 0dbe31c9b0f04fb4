"""Every place of the program that writes durably: those that a sweep must have struck, and how it did.

A point is a write, the function that makes it and the one of another module for which it does, in one kind
of role. Each is to be a process's last at least once, and to fail at least once.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cotally.server.ledger

from .faults import KILLS, Fault, Kind
from .founding import HOLDERS
from .schedule import Schedule

_SERVER: Final = Path(next(iter(cotally.server.ledger.__path__))).parent
_PARTS: Final = ("audit", "coordinator", "keyholder", "ledger", "node", "settings")
_WRITING: Final = re.compile(r"_append\(|_update\(|close\(db|fsync\(|(draft|here|SUCCESSOR\))\.replace\(|"
                             r"insert\(|update\(|delete\(|_write_snapshot\(")
_DURABLE: Final = re.compile(r"\.begin\(\)|fsync\(|\.replace\(")

# What the script does not come to, and which tests do.
ELSEWHERE: Final = {
    "keyholder.shares.settle": "successions: tests/system/test_succession.py",
    "settings.party.keep": "successions: tests/system/test_succession.py",
    "settings.party.adopt": "successions: tests/system/test_succession.py",
    "settings.revocations.write_list": "an operator's command",
    "ledger.ledger.adopt": "`cotally node recover`: tests/protocol/test_recovery.py",
    "node.rounds.refuse": "a price that the coordinator knows to be too high: tests/protocol/test_order.py",
    "audit.follower_store.save": "a restored database: tests/unit/server/audit/test_follower_store.py",
}


def kind_of(role: str) -> str:
    """Coordinator, department or key holder."""
    return "coordinator" if role == "coordinator" else "key holder" if role in HOLDERS else "department"


def inventory() -> set[str]:
    """Functions of the roles' packages, as module.name, whose text writes durably."""
    found = set()
    for part in _PARTS:
        for path in (_SERVER / part).rglob("*.py"):
            module = ".".join(path.relative_to(_SERVER).with_suffix("").parts)
            source = path.read_text()
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    text = ast.get_source_segment(source, node) or ""
                    if _DURABLE.search(text) and _WRITING.search(text):
                        found.add(f"{module}.{node.name}")
    return found


@dataclass
class Coverage:
    """Where each point was seen first, and how it was struck so far."""

    seen: dict[tuple[str, str], tuple[Schedule, str, int]] = field(default_factory=dict)
    struck: dict[tuple[str, str], set[Kind]] = field(default_factory=dict)

    def add(self, schedule: Schedule, writes: Mapping[str, list[str]],
            struck: list[tuple[str, str, Kind]]) -> None:
        """Take what a run wrote while faults could strike, by role, and where they did."""
        for role, points in writes.items():
            for index, point in enumerate(points):
                self.seen.setdefault((kind_of(role), point), (schedule, role, index))
        for role, point, kind in struck:
            self.struck.setdefault((kind_of(role), point), set()).add(kind)

    def missing(self) -> Iterator[Schedule]:
        """For each point that no kill, or no error, has struck: the run that came to it, struck there."""
        for point, (schedule, role, index) in sorted(self.seen.items(), key=lambda each: each[0]):
            kinds = self.struck.get(point, set())
            for chosen, alike in ((Kind.KILL_AFTER, KILLS), (Kind.IO_ERROR, {*Kind} - KILLS)):
                if not kinds & alike:
                    yield Schedule(schedule.seed, schedule.departments,
                                   (*schedule.faults, Fault(role, index, chosen)))

    def writers(self) -> set[str]:
        """Functions that wrote in some run."""
        return {point.split(" by ")[1].split(" for ")[0] for _, point in self.seen}

    def table(self) -> str:
        """A line for each point: whose, and in how many of the six ways it was struck."""
        lines = []
        for point in sorted(self.seen):
            kinds = self.struck.get(point, set())
            lines.append(f"{point[0]:12} {len(kinds)} of {len(Kind)} kinds  {point[1]}")
        return "\n".join(lines)
