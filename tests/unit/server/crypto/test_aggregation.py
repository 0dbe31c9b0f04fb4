"""The streamed product is the product, and whoever spoils it is named."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.crypto import aggregation, parallel
from cotally.server.crypto.aggregation import Part, Stored, multiply
from cotally.server.crypto.paillier import Encryptor
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import P_512, Q_512, small_dealt

PUBLIC = small_dealt().public
SQUARE = PUBLIC.modulus_squared
HONEST = Encryptor(PUBLIC).encrypt([1, 2]).ciphertexts


@pytest.fixture(params=[1, 2, 3])
def processors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "processors", lambda: request.param)


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("block_bytes", [1, 1500, 1 << 20])
@pytest.mark.parametrize("departments", [1, 2, 7, 20])
def test_the_product_is_that_of_all_parts(block_bytes: int, departments: int,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "_BLOCK_BYTES", block_bytes)
    parts = {f"d{k}": PUBLIC.ring.vector([k + 2, 3 * k + 1]) for k in range(departments)}
    expected = [1, 1]
    for k in range(departments):
        expected = [expected[0] * (k + 2) % SQUARE, expected[1] * (3 * k + 1) % SQUARE]
    assert PUBLIC.ring.numbers(multiply(parts.items(), 2, PUBLIC)) == expected


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(1, SQUARE - 1), min_size=3, max_size=3), min_size=1, max_size=12))
def test_the_product_agrees_with_python_integers(rows: list[list[int]]) -> None:
    expected = [1, 1, 1]
    for row in rows:
        expected = [a * b % SQUARE for a, b in zip(expected, row, strict=True)]
    parts = [(str(k), PUBLIC.ring.vector(row)) for k, row in enumerate(rows)]
    assert PUBLIC.ring.numbers(multiply(parts, 3, PUBLIC)) == expected


def test_stored_parts_are_read_one_after_the_other() -> None:
    data = memoryview(HONEST * 5)
    assert multiply(Stored(data, len(HONEST)), 2, PUBLIC) == multiply([("x", HONEST)] * 5, 2, PUBLIC)
    spoiled = bytearray(data)
    spoiled[3 * len(HONEST):3 * len(HONEST) + 256] = bytes(256)
    with pytest.raises(Refused, match=r"^part 3: ciphertext 0"):
        multiply(Stored(memoryview(spoiled), len(HONEST)), 2, PUBLIC)
    with pytest.raises(Refused, match=r"^part 4: 511 bytes"):  # a file cut short loses no department silently
        multiply(Stored(data[:-1], len(HONEST)), 2, PUBLIC)


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("culprit", [0, 1, 63, 64, 99])
@pytest.mark.parametrize("value", [P_512, Q_512 * 12345, PUBLIC.modulus])
def test_a_factor_of_the_modulus_is_found_and_named(culprit: int, value: int) -> None:
    parts = [(f"d{k}", HONEST) for k in range(100)]
    parts[culprit] = (f"d{culprit}", HONEST[:256] + PUBLIC.ring.vector([value]))
    with pytest.raises(Refused, match=rf"^d{culprit}: ciphertext 1 shares a factor") as caught:
        multiply(parts, 2, PUBLIC)
    assert caught.value.refusal is Refusal.MALFORMED


def test_two_culprits_whose_product_is_the_modulus_are_found() -> None:
    parts = {"a": HONEST, "b": PUBLIC.ring.vector([P_512, 1]), "c": PUBLIC.ring.vector([Q_512, 1])}
    with pytest.raises(Refused, match=r"^b: ciphertext 0"):
        multiply(parts.items(), 2, PUBLIC)


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize(("bad", "word"), [
    (HONEST[:256], "b: 256 bytes"), (HONEST + HONEST, "b: 1024 bytes"), (b"", "b: 0 bytes"),
    (HONEST[:256] + bytes(256), "b: ciphertext 1"),
    (SQUARE.to_bytes(256, "big") + HONEST[256:], "b: ciphertext 0"),
])
def test_a_part_of_another_form_is_named(bad: bytes, word: str) -> None:
    with pytest.raises(Refused, match=word):
        multiply({"a": HONEST, "b": bad, "c": HONEST}.items(), 2, PUBLIC)


def test_lengths_that_cancel_out_are_refused() -> None:
    with pytest.raises(Refused, match=r"^a: 256 bytes"):
        multiply({"a": HONEST[:256], "b": HONEST + HONEST[:256]}.items(), 2, PUBLIC)


def test_nothing_to_multiply_is_refused() -> None:
    with pytest.raises(Refused, match="no ciphertext"):
        multiply([], 2, PUBLIC)
    with pytest.raises(Refused, match="at least one"):
        multiply([("a", b"")], 0, PUBLIC)


def test_parts_that_can_be_read_only_once_are_a_programming_error() -> None:
    with pytest.raises(TypeError, match="read twice"):
        multiply(iter([("a", HONEST)]), 2, PUBLIC)


class Source(Iterable[Part]):
    """Parts made on demand; counts how many are alive at once."""

    def __init__(self) -> None:
        self.served = 0

    def __iter__(self) -> Iterator[Part]:
        for k in range(600):
            self.served += 1
            yield f"d{k}", HONEST


def test_honest_parts_are_read_once_and_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "_BLOCK_BYTES", 10 * len(HONEST))
    source = Source()
    seen: list[tuple[int, int]] = []
    take = aggregation._Taker.take

    def watched(taker: aggregation._Taker, block: list[Part]) -> None:
        seen.append((len(block), source.served))
        take(taker, block)

    monkeypatch.setattr(aggregation._Taker, "take", watched)
    multiply(source, 2, PUBLIC)
    assert source.served == 600
    assert {size for size, _ in seen} == {10}
    at_once = 10 * parallel.processors()
    assert all(served <= 10 * k + at_once for k, (_, served) in enumerate(sorted(seen, key=lambda s: s[1])))
