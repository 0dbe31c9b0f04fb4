"""The nearest word to one that was mistyped."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """The one of *known* that *word* was probably meant to be; None where none is near."""
    near = get_close_matches(word.lower(), list(known), n=1, cutoff=0.55)
    return near[0] if near else None
