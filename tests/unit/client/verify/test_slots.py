"""Slots of several widths give back the totals, as the server's own vectors have them."""

import json
from pathlib import Path

import pytest

from cotally.client.verify.slots import cuts, unpack
from cotally.v1 import round_pb2
from cotally.v1.refusals import Refused

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "crypto.json").read_text("utf-8"))
PLAINTEXTS = [int(value, 16) for value in VECTORS["plaintexts"]]


def packing() -> round_pb2.Packing:
    said = VECTORS["packing"]
    return round_pb2.Packing(runs=[round_pb2.Run(**run) for run in said["runs"]],
                             plaintext_bits=said["plaintext_bits"], ciphertexts=said["ciphertexts"])


def test_slots_give_back_the_totals() -> None:
    assert len({run.slot_bits for run in packing().runs}) == 2
    assert unpack(PLAINTEXTS, packing(), 3) == VECTORS["totals"]
    assert unpack(PLAINTEXTS, packing(), 2) != VECTORS["totals"]


@pytest.mark.parametrize("bits, expected", [
    (59, [0, 30, 60, 114, 138]), (60, [0, 60, 114, 138]), (90, [0, 90, 138]), (138, [0, 138])])
def test_a_plaintext_takes_as_many_whole_slots_as_fit(bits: int, expected: list[int]) -> None:
    said = packing()
    said.plaintext_bits = bits
    assert cuts(said) == expected


@pytest.mark.parametrize("count", [0, 2, 4])
def test_another_number_of_plaintexts_is_refused(count: int) -> None:
    with pytest.raises(Refused, match="plaintexts were opened"):
        unpack((PLAINTEXTS * 2)[:count], packing(), 3)


@pytest.mark.parametrize("bits, bias", [(64, 1), (63, 1 << 62)])
def test_slots_wider_than_a_total_are_refused(bits: int, bias: int) -> None:
    said = round_pb2.Packing(runs=[round_pb2.Run(cells=1, slot_bits=bits, bias=bias)], plaintext_bits=200)
    with pytest.raises(Refused, match="wider than totals"):
        unpack([0], said, 3)
