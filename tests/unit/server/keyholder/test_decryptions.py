"""A key holder remembers one transcript for a round, one round for a question; decrypted or void."""

from pathlib import Path

import pytest

from cotally.server.keyholder.decryptions import Decryptions
from cotally.v1 import round_pb2
from cotally.v1.refusals import Refusal, Refused

ROUND, OTHER, QUERY, MADE = b"r" * 32, b"s" * 32, b"q" * 16, b"t" * 32


def refused(memory: Decryptions, *args: bytes) -> Refusal:
    with pytest.raises(Refused) as caught:
        memory.record(*args)
    return caught.value.refusal


def test_a_round_has_one_transcript_and_a_question_one_round(tmp_path: Path) -> None:
    memory = Decryptions(tmp_path / "d.db")
    assert memory.record(ROUND, QUERY, MADE) is None
    assert memory.record(ROUND, QUERY, MADE) is None, "it stopped before it used its share"
    for each in (memory, Decryptions(tmp_path / "d.db")):
        assert refused(each, ROUND, QUERY, b"u" * 32) is Refusal.REPLAYED
        assert refused(each, OTHER, QUERY, MADE) is Refusal.REPLAYED
    partial = round_pb2.Partial(signature=b"s")
    memory.store(ROUND, partial)
    assert Decryptions(tmp_path / "d.db").record(ROUND, QUERY, MADE) == partial
    assert refused(memory, ROUND, QUERY, b"u" * 32) is Refusal.REPLAYED


def test_decrypted_and_void_exclude_each_other(tmp_path: Path) -> None:
    memory = Decryptions(tmp_path / "d.db")
    memory.record(ROUND, QUERY, MADE)
    with pytest.raises(Refused) as caught:
        memory.void(ROUND)
    assert caught.value.refusal is Refusal.OUT_OF_ORDER
    memory.void(OTHER)
    memory.void(OTHER)
    assert refused(Decryptions(tmp_path / "d.db"), OTHER, b"p" * 16, MADE) is Refusal.OUT_OF_ORDER
