"""Several evidence files of one log side by side: every shorter one must be how the longest begins."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cotally.v1.refusals import Refusal, Refused

from . import evidence
from .verifier import Audited


def check_same_log(views: Sequence[tuple[Path, Audited]]) -> Audited:
    """Return the longest of *views*, which were verified; Refused, naming the first entry that differs."""
    ordered = sorted(views, key=lambda view: view[1].head.size)
    longest = ordered[-1]
    for path, audited in ordered[:-1]:
        index = _first_difference(path, longest[0])
        if index is not None:
            raise Refused(
                Refusal.EQUIVOCATION,
                f"entry {index} differs: {path} and {longest[0]} are two views of the first "
                f"{audited.head.size} entries, and both are signed")
    return longest[1]


def _first_difference(shorter: Path, longer: Path) -> int | None:
    with evidence.mapped(shorter) as first, evidence.mapped(longer) as second:
        for index, (one, other) in enumerate(zip(_leaves(first), _leaves(second), strict=False)):
            if one != other:
                return index
    return None


def _leaves(view: evidence.View) -> Iterator[bytes]:
    return (record.check for record in evidence.records(view) if record.tag == evidence.ENTRY)
