"""The follower over tables of histories: admit, refuse, fork, step back, and never two roots for one size."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.audit.checkpoint import cosign_bytes, text
from cotally.server.audit.follower import Follower
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from .conftest import announcement, chain, dead, roster, transcript

if TYPE_CHECKING:
    from .conftest import World

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32


def refusal_of(call: Callable[..., object], *arguments: object) -> Refusal:
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value.refusal
