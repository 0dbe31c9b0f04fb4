"""What is wrong with a file that somebody kept, told with its name and with the status of a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cotally.v1.refusals import Misconfigured, Refusal, Refused


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Name *path* in refusals; Misconfigured, a file that cannot be used, where its bytes are damaged."""
    try:
        yield
    except Refused as refused:
        sentence = f"{path}: {refused.message}"
        if refused.refusal is Refusal.MALFORMED:  # the caller's file, not a question that he misspelt
            raise Misconfigured(sentence) from refused
        raise Refused(refused.refusal, sentence) from refused
