"""Both back ends against Python's own integers, the shared vectors and each other; selection."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.crypto import backend, library
from cotally.server.crypto.arithmetic import Ring, widest_window
from cotally.server.crypto.gmp import GmpRing
from cotally.server.crypto.ifma import IfmaRing, speed
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.fixtures.arithmetic_vectors import SECRET_BITS, SIZES, digest, expected, inputs, stretched

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "vectors" / "arithmetic.json").read_text("ascii"))
MISSING = library.missing()
NEEDS_KERNEL = pytest.mark.skipif(MISSING is not None, reason=f"no kernel here: {MISSING}")
BACK_ENDS = [GmpRing, pytest.param(IfmaRing, marks=NEEDS_KERNEL)]
both = pytest.mark.parametrize("make", BACK_ENDS)


def odd(bits: int) -> int:
    return stretched(f"odd {bits}", bits) | 1 << (bits - 1) | 1


# The ends of a digit, of four digits and of a group of eight; widths wider than need be and odd ones.
SHAPES = [(3, 1), (3, 11), (251, 1), (odd(50), 7), (odd(52), 7), (odd(64), 8), (odd(206), 26), (odd(207), 26),
          (odd(208), 26), (odd(414), 52), (odd(415), 53), (odd(1001), 126), (odd(1024), 131),
          (odd(2900), 363), (odd(3072), 384), (odd(1536) ** 2, 384), (odd(3326), 416), (odd(3327), 417),
          (odd(6144), 770), (odd(8192), 1024)]
shapes = pytest.mark.parametrize("modulus, width", SHAPES, ids=lambda x: str(int(x).bit_length()))


def residues(modulus: int, count: int) -> list[int]:
    """The ends of the range first, then anything."""
    ends = [0, 1, modulus - 1, modulus >> 1, 2]
    more = [stretched(f"{modulus} {k}", modulus.bit_length() + 64) % modulus for k in range(count)]
    return ([x % modulus for x in ends] + more)[:count]


@both
@shapes
def test_products_and_powers_are_those_of_integers(make: type[Ring], modulus: int, width: int) -> None:
    ring = make(modulus, width)
    for count in (0, 1, 7, 8, 9, 19):
        left, right = residues(modulus, count), residues(modulus, count + 3)[3:]
        a, b, pairs = ring.vector(left), ring.vector(right), list(zip(left, right, strict=True))
        assert ring.numbers(ring.multiply(a, b)) == [x * y % modulus for x, y in pairs]
        product = ring.running_product(count)
        assert ring.numbers(product.result()) == [1 % modulus] * count
        for vector in (a, b, b):
            product.multiply(vector)
            product.result()  # asking does not disturb it
        assert ring.numbers(product.result()) == [x * y * y % modulus for x, y in pairs]
        exponents = [(0, 1, 2, 63, 64, 2**67 - 1)[k % 6] for k in range(count)]
        raised = [pow(x, e, modulus) for x, e in zip(left, exponents, strict=True)]
        assert ring.numbers(ring.secret_powers(a, exponents, 67)) == raised
        whole = 1
        for x in raised:
            whole = whole * x % modulus
        assert ring.power_product(a, exponents) == whole
    for exponent in (0, 1, 2, 31, 65537, 2**70 - 1, odd(90)):
        assert ring.numbers(ring.powers(a, exponent)) == [pow(x, exponent, modulus) for x in left]


@both
@shapes
def test_powers_of_one_base_are_those_of_integers(make: type[Ring], modulus: int, width: int) -> None:
    ring = make(modulus, width)
    factors = residues(modulus, 11)
    vector = ring.vector(factors)
    exponents = [(0, 1, 2**95 - 1, stretched("e", 95), 2**94)[k % 5] for k in range(11)]
    for base in (0, 1, modulus - 1, stretched("base", 9000) % modulus):
        for table_bytes in (0, 40 * (width + 48) * 15):
            powers = ring.fixed_base(base, 95, table_bytes)
            assert (powers.window == 1) == (table_bytes == 0)
            assert table_bytes == 0 or powers.table_bytes <= table_bytes
            assert ring.numbers(powers.times_powers(vector, exponents)) == [
                x * pow(base, e, modulus) % modulus for x, e in zip(factors, exponents, strict=True)]
            assert [powers.power(e) for e in exponents[:5]] == [pow(base, e, modulus) for e in exponents[:5]]
            assert powers.times_powers(b"", []) == b""


@both
def test_every_digit_of_every_window_is_selected(make: type[Ring]) -> None:
    modulus = odd(120)
    ring = make(modulus, 15)
    for bits in (8, 60, 400, 2600):  # windows of 2 to 5 bits, and one more for public exponents
        exponents = [stretched(f"{bits} {k}", bits) for k in range(40)]
        bases = [3 + k for k in range(40)]
        want = [pow(x, e, modulus) for x, e in zip(bases, exponents, strict=True)]
        assert ring.numbers(ring.secret_powers(ring.vector(bases), exponents, bits)) == want
        assert [ring.numbers(ring.powers(ring.vector([x]), e))[0]
                for x, e in zip(bases, exponents, strict=True)] == want


@both
@pytest.mark.parametrize("bits", [1024, 2080, 3072, 4160, 6144, 16384])
def test_carries_run_through_long_rows_of_ones(make: type[Ring], bits: int) -> None:
    modulus = 2**bits - 1  # whose residues times R are their own bits turned round
    ring = make(modulus, bits // 8)
    ones = [modulus - 1, modulus >> 1, modulus - 2**52, modulus - 2**416, modulus - 2**1000 + 1, 2**1000 - 1,
            2**52, 2**416 - 1, modulus - 2**417 + 2**13, 1, modulus // 3, modulus - 1 - modulus // 3]
    for exponent in (1, 2, 3, 4, 5, 31, 2**60 - 1):
        for start in range(0, len(ones), 4):  # a few numbers go another way than many
            few = ones[start:start + 4]
            raised = ring.numbers(ring.powers(ring.vector(few), exponent))
            assert raised == [pow(x, exponent, modulus) for x in few]
        raised = ring.numbers(ring.powers(ring.vector(ones), exponent))
        assert raised == [pow(x, exponent, modulus) for x in ones]


@both
def test_a_long_product_of_powers(make: type[Ring]) -> None:
    modulus = odd(100)
    ring = make(modulus, 13)
    count = 8 * 64 * 2 + 5  # more than the kernel takes at a time
    bases, weights = [5 + k for k in range(count)], [stretched(f"w{k}", 40) for k in range(count)]
    want = 1
    for x, e in zip(bases, weights, strict=True):
        want = want * pow(x, e, modulus) % modulus
    assert ring.power_product(ring.vector(bases), weights) == want


def test_the_vectors_are_those_of_python_s_integers() -> None:
    assert VECTORS[0] == expected(SIZES[0])
    assert [case["bits"] for case in VECTORS] == list(SIZES)


@both
@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["bits"])
def test_the_shared_vectors_are_reproduced(make: type[Ring], case: dict[str, Any]) -> None:
    given = inputs(case["bits"])
    ring = make(given.modulus, given.width)
    left, right = ring.vector(given.left), ring.vector(given.right)
    product = ring.running_product(len(given.left))
    for vector in (left, right, right):
        product.multiply(vector)
    table = ring.fixed_base(given.right[0], SECRET_BITS, 1 << 20)
    results = {
        "multiply": ring.multiply(left, right),
        "running_product": product.result(),
        "powers": ring.powers(left, given.public),
        "secret_powers": ring.secret_powers(left, given.exponents, SECRET_BITS),
        "power_product": ring.vector([ring.power_product(right, given.exponents)]),
        "times_powers": table.times_powers(left, given.exponents),
        "power": ring.vector([table.power(given.exponents[2])]),
    }
    assert case == {"bits": case["bits"]} | {
        name: digest(ring.numbers(vector), ring.width) for name, vector in results.items()}


@NEEDS_KERNEL
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_both_back_ends_give_the_same_bytes(data: st.DataObject) -> None:
    modulus = data.draw(st.integers(min_value=1, max_value=2**700)) * 2 + 1
    width = (modulus.bit_length() + 7) // 8 + data.draw(st.integers(0, 3))
    number = st.integers(0, modulus - 1) | st.sampled_from([0, 1, modulus - 1])
    left = data.draw(st.lists(number, max_size=18))
    right = data.draw(st.lists(number, min_size=len(left), max_size=len(left)))
    exponents = data.draw(st.lists(st.integers(0, 2**80 - 1), min_size=len(left), max_size=len(left)))
    rings = [GmpRing(modulus, width), IfmaRing(modulus, width)]
    a, b = rings[0].vector(left), rings[0].vector(right)
    one, other = ([
        ring.multiply(a, b), ring.powers(a, max(exponents, default=5)), ring.secret_powers(a, exponents, 80),
        ring.vector([ring.power_product(a, exponents)]),
        ring.fixed_base(modulus - 2, 80, 9999).times_powers(a, exponents),
    ] for ring in rings)
    assert one == other


@both
def test_what_is_no_vector_is_refused_before_anything_is_computed(
    make: type[Ring], monkeypatch: pytest.MonkeyPatch) -> None:
    modulus = odd(200)
    ring = make(modulus, 25)
    good = ring.vector([1, 2, 3])
    table = ring.fixed_base(5, 20, 1000)
    large = good[:25] + modulus.to_bytes(25, "big") + b"\xff" * 25
    monkeypatch.setattr(library.Kernel, "call", lambda *_: pytest.fail("computed all the same"))
    refusals: dict[str, list[Callable[[], object]]] = {
        "76 bytes are not residues of 25 bytes": [
            lambda: ring.multiply(good + b"\0", good), lambda: ring.powers(good + b"\0", 3),
            lambda: ring.numbers(good + b"\0")],
        "number 1 is not a residue": [
            lambda: ring.multiply(large, good), lambda: ring.multiply(good, large),
            lambda: ring.running_product(3).multiply(large), lambda: ring.powers(large, 3),
            lambda: ring.secret_powers(large, [1, 1, 1], 5), lambda: ring.power_product(large, [1, 1, 1]),
            lambda: table.times_powers(large, [1, 1, 1]), lambda: ring.vector([1, modulus]),
            lambda: ring.vector([1, -1])],
        "2 residues, where 3 belong": [
            lambda: ring.multiply(good, good[25:]), lambda: ring.running_product(3).multiply(good[25:])],
        "2 exponents do not fit 3 residues": [
            lambda: ring.secret_powers(good, [1, 1], 5), lambda: ring.power_product(good, [1, 1]),
            lambda: table.times_powers(good, [1, 1])],
        "exponent 2 is out of range": [
            lambda: ring.secret_powers(good, [1, 1, 32], 5), lambda: ring.power_product(good, [1, 1, -1]),
            lambda: table.times_powers(good, [1, 1, 1 << 20]), lambda: table.times_powers(good, [1, 1, -1])],
        "exponent 0 is out of range": [
            lambda: ring.powers(good, -1), lambda: table.power(1 << 20), lambda: table.power(-1)],
        "number 0 is not a residue": [lambda: ring.fixed_base(modulus, 20, 1000)],
    }
    for sentence, calls in refusals.items():
        for call in calls:
            with pytest.raises(Refused) as caught:
                call()
            assert (caught.value.refusal, caught.value.message) == (Refusal.MALFORMED, sentence)


@both
@pytest.mark.parametrize("modulus, width", [(0, 5), (1, 5), (-7, 5), (10, 5), (257, 1)])
def test_what_is_no_modulus_is_refused(make: type[Ring], modulus: int, width: int) -> None:
    with pytest.raises(Refused, match="modulus"):
        make(modulus, width)


@pytest.mark.parametrize("bits, entry, room, window", [
    (1536, 768, 64 << 20, 9), (512, 768, 64 << 20, 10), (12, 100, 1 << 30, 12), (130, 100, 0, 1),
    (0, 8, 9, 1)])
def test_windows_are_the_widest_that_fit(bits: int, entry: int, room: int, window: int) -> None:
    assert widest_window(bits, entry, room)[0] == window


def test_the_fastest_back_end_is_taken_and_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(backend.VARIABLE, raising=False)
    assert backend.name() == backend.available()[0]
    monkeypatch.setenv(backend.VARIABLE, "gmpy2")
    assert backend.name() == "gmpy2"
    assert type(backend.ring(101, 4)) is GmpRing
    assert backend.ring(101, 4) is backend.ring(101, 4) is not backend.ring(101, 5)
    monkeypatch.setenv(backend.VARIABLE, "abacus")
    with pytest.raises(Misconfigured, match=r"COTALLY_BACKEND=abacus .* this machine has .*gmpy2"):
        backend.ring(101, 4)


@NEEDS_KERNEL
def test_the_kernel_is_taken_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backend.VARIABLE, "ifma")
    assert type(backend.ring(101, 4)) is IfmaRing
    assert type(backend.ring((1 << 17000) + 1, 2126)) is GmpRing  # too long for the kernel
    with pytest.raises(Refused, match="16384"):
        IfmaRing((1 << 17000) + 1, 2126)


def test_without_the_kernel_everything_runs_on_gmpy2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "LIBRARY", tmp_path / "kernel.so")
    library._loaded.cache_clear()
    try:
        monkeypatch.delenv(backend.VARIABLE, raising=False)
        assert backend.available() == ("gmpy2",) and "not compiled" in backend.detail()
        assert type(backend.ring(103, 4)) is GmpRing
        monkeypatch.setenv(backend.VARIABLE, "ifma")
        with pytest.raises(Misconfigured, match=r"not compiled .* this machine has gmpy2"):
            backend.name()
        (tmp_path / "kernel.so").write_bytes(b"no library")
        library._loaded.cache_clear()
        assert "does not load" in str(library.missing())
    finally:
        monkeypatch.undo()
        library._loaded.cache_clear()


@NEEDS_KERNEL
def test_memory_that_is_not_there_is_an_error() -> None:
    ring = IfmaRing(odd(6144), 768)
    with pytest.raises(MemoryError, match="product"):
        ring.running_product(1 << 55)


@NEEDS_KERNEL
def test_the_speed_is_measured_against_what_the_processor_allows() -> None:
    measured = speed(IfmaRing(odd(4096), 512), rounds=3)
    assert 2e8 < measured.clock < 2e10
    assert measured.floor == pytest.approx(4 * 80**2 / 16 / measured.clock)
    assert measured.share == pytest.approx(measured.floor / measured.seconds)
    assert 0 < measured.share < 1.5
