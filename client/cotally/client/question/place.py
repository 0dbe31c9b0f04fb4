"""Adds to a refusal where in the question its culprit stands."""

from collections.abc import Iterator
from contextlib import contextmanager

from cotally.v1.refusals import Refused


@contextmanager
def placed(at: str) -> Iterator[None]:
    """Close the sentence of a refusal raised inside with the place *at*."""
    try:
        yield
    except Refused as refused:
        raise Refused(refused.refusal, refused.message + at) from None
