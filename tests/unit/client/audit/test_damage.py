"""A file that was damaged or rearranged: never accepted, and the error names the index."""

import io
import random
import re
from dataclasses import replace

import pytest

from cotally.client.audit.evidence import ENTRY, HEAD, Record, Writer
from cotally.v1 import roster_pb2
from cotally.v1.refusals import Refused
from tests.unit.client.audit.planting import (
    evidence_file,
    long_log,
    put_together,
    rearranged,
    renumbered,
    rewritten_end,
    taken_apart,
    verified,
)

SIZE, EVERY = 45, 10


def complaint(data: bytes) -> str:
    """Why *data* is refused."""
    with pytest.raises(Refused) as caught:
        verified(data)
    return caught.value.message


def names(message: str, *indices: int) -> bool:
    """Whether *message* names one of these entries, or a range that holds one."""
    spans = [(int(a), int(b or a)) for a, b in re.findall(r"entr(?:y|ies) (\d+)(?: to (\d+))?", message)]
    return any(first <= index <= last for first, last in spans for index in indices)


def test_an_honest_log_is_accepted() -> None:
    audited = verified(evidence_file(SIZE, EVERY))
    assert (audited.head.size, audited.checkpoints, audited.findings) == (SIZE, 5, ())
    assert audited.rounds == {"announced": 11, "released": 9, "dead": 1, "refused": 0, "void": 0,
                              "replayed": 0}


def places(record: Record) -> list[int]:
    """Offsets in a record's bytes: every byte of its head, a few of payload and check."""
    size, end = len(record.payload), HEAD.size + len(record.payload)
    inside = {HEAD.size + at for at in (0, 1, 2, size // 3, size // 2, size - 1) if 0 <= at < size}
    return [*range(HEAD.size), *sorted(inside), end, end + 15, end + 31]


def test_a_flipped_bit_anywhere_names_its_entry() -> None:
    data = evidence_file(22, EVERY)
    _, records = taken_apart(data)
    rng = random.Random(5)
    index = -1
    for record in records:
        start = record.after - len(record.payload) - HEAD.size - 32
        index += record.tag == ENTRY
        for place in places(record):
            forged = bytearray(data)
            forged[start + place] ^= 1 << rng.randrange(8)
            near = (index,) if record.tag == ENTRY else (index, index + 1)
            assert names(message := complaint(bytes(forged)), *near), (record.tag, index, place, message)


@pytest.mark.slow
def test_every_bit_of_a_short_log_counts() -> None:
    data = evidence_file(4)
    for place in range(len(data)):
        for bit in range(8):
            forged = bytearray(data)
            forged[place] ^= 1 << bit
            assert "entry " in complaint(bytes(forged))


def test_a_flipped_bit_before_the_log_is_found() -> None:
    data = evidence_file(6)
    before, _ = taken_apart(data)
    for place in range(0, len(before), 7):
        forged = bytearray(data)
        forged[place] ^= 1
        assert "entry 0" in complaint(bytes(forged))


@pytest.mark.parametrize("index", range(SIZE))
def test_a_dropped_repeated_or_reordered_entry_is_named(index: int) -> None:
    data = evidence_file(SIZE)
    assert names(complaint(rearranged(data, lambda r: r[:index] + r[index + 1:])), index)
    assert names(complaint(rearranged(data, lambda r: r[:index + 1] + r[index:])), index + 1)
    if index + 1 < SIZE:
        swapped = rearranged(data, lambda r: [*r[:index], r[index + 1], r[index], *r[index + 2:]])
        assert names(complaint(swapped), index)


@pytest.mark.parametrize("index", range(1, SIZE - 1))
def test_renumbering_hides_nothing(index: int) -> None:
    data = evidence_file(SIZE)
    dropped = rearranged(data, lambda r: renumbered(r[:index] + r[index + 1:]))
    message = complaint(dropped)
    assert f"entry {SIZE - 1} is missing" in message
    assert names(complaint(rewritten_end(dropped, SIZE - 1)), index, SIZE - 2)
    swapped = rearranged(data, lambda r: renumbered([*r[:index], r[index + 1], r[index], *r[index + 2:]]))
    assert names(complaint(swapped), index)


def test_checkpoints_narrow_down_where_a_log_was_rewritten() -> None:
    before, records = taken_apart(evidence_file(SIZE, EVERY))
    at = [r.tag for r in records].index(ENTRY) + 15  # a checkpoint stands before: this is entry 14
    records[at], records[at - 1] = (replace(records[at - 1], number=records[at].number),
                                    replace(records[at], number=records[at - 1].number))
    assert "entries 10 to 19 are not all what the witnesses signed" in complaint(
        put_together(before, records))


def test_a_truncated_log_names_where_it_ends() -> None:
    data = evidence_file(SIZE, EVERY)
    before, records = taken_apart(data)
    index = -1
    for record in records[:-1]:
        index += record.tag == ENTRY
        assert names(complaint(data[:record.after]), index)
        assert names(complaint(data[:record.after - 40]), index, index + 1)
    assert "entry 0" in complaint(data[:len(before) - 1])
    assert "entry 0" in complaint(b"")


@pytest.mark.parametrize("kept, sentence", [(37, "no checkpoint covers entry 36"), (0, "no checkpoint")])
def test_a_log_cut_short_with_care_has_no_checkpoint(kept: int, sentence: str) -> None:
    def cut(records: list[Record]) -> list[Record]:
        return records[:kept]

    before, records = taken_apart(rewritten_end(rearranged(evidence_file(SIZE), cut), kept))
    unsigned = [r for r in records if r.tag != b"W"]
    assert sentence in complaint(put_together(before, unsigned))
    assert f"speaks of {SIZE} entries" in complaint(put_together(before, records))


def test_an_entry_has_one_spelling() -> None:
    before, records = taken_apart(evidence_file(6))
    announced = records[5]
    records[5] = replace(announced, payload=announced.payload * 2)  # the same message, merged with itself
    assert "entry 5 was altered" in complaint(put_together(before, records))


def test_nothing_may_follow_the_end() -> None:
    data = evidence_file(6)
    assert "after entry 5" in complaint(data + b"\0")
    assert "after entry 5" in complaint(data + data)


def test_another_pin_reaches_nothing() -> None:
    with pytest.raises(Refused, match="pinned"):
        verified(evidence_file(6), bytes(32))
    assert verified(evidence_file(6), long_log(1).pin).head.size == 6


def test_a_charter_without_canonical_form_is_refused_like_any_damage() -> None:
    output, charter = io.BytesIO(), roster_pb2.Charter()
    charter.CopyFrom(long_log(1).charter)
    charter.roster.federation = "e\u0301"  # not NFC
    writer = Writer(output, charter)
    writer.end()
    assert "before entry 0 has no canonical form" in complaint(output.getvalue())
