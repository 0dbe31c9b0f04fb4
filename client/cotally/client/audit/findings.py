"""What a log shows that an honest federation does not do: each with the index where it stands."""

from dataclasses import dataclass
from typing import Final

from cotally.v1.refusals import Refusal

KEPT: Final = 1_000  # the rest is only counted


@dataclass(frozen=True, slots=True)
class Finding:
    """One of them."""

    index: int
    refusal: Refusal
    sentence: str


class Findings:
    """All of them, in log order; `size` entries were folded, so an entry being folded has that index."""

    def __init__(self) -> None:
        self.size = 0
        self.kept: list[Finding] = []
        self.total = 0

    def note(self, refusal: Refusal, sentence: str) -> None:
        """Add one about the entry that is being folded."""
        self.total += 1
        if len(self.kept) < KEPT:
            self.kept.append(Finding(self.size, refusal, f"entry {self.size}: {sentence}"))
