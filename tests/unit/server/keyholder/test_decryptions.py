"""A key holder remembers one transcript for a round, one round for a question; decrypted or void."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
import sqlalchemy as sa

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


Act = Callable[[Decryptions], object]
ACTS: dict[str, tuple[Act, Act]] = {
    "decrypting while voiding": (lambda m: m.void(ROUND), lambda m: m.record(ROUND, QUERY, MADE)),
    "voiding while decrypting": (lambda m: m.record(ROUND, QUERY, MADE), lambda m: m.void(ROUND)),
    "two transcripts": (lambda m: m.record(ROUND, QUERY, MADE), lambda m: m.record(ROUND, QUERY, b"u" * 32)),
    "two rounds": (lambda m: m.record(ROUND, QUERY, MADE), lambda m: m.record(OTHER, QUERY, MADE)),
}


@pytest.mark.parametrize(("first", "second"), ACTS.values(), ids=ACTS)
def test_of_two_sessions_at_once_one_is_refused(tmp_path: Path, first: Act, second: Act) -> None:
    """Once the first session has looked, the second one gets its chance before every further statement."""
    one, other = Decryptions(tmp_path / "d.db"), Decryptions(tmp_path / "d.db")
    done: list[str] = []

    def attempt(act: Act, memory: Decryptions) -> None:
        try:
            act(memory)
            done.append("done")
        except Refused:
            done.append("refused")

    rival = Thread(target=attempt, args=(second, other))

    def give_way(*_: object) -> None:
        if rival.ident is not None:
            rival.join(0.1)  # it waits for the first one's lock, or is through

    def looked(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and rival.ident is None:
            rival.start()

    sa.event.listen(one._engine, "before_cursor_execute", give_way)
    sa.event.listen(one._engine, "after_cursor_execute", looked)
    attempt(first, one)
    rival.join()
    assert done == ["done", "refused"]
