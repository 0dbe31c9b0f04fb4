"""Spreading changes nothing but time: order, results and refusals stay."""

import threading
from math import ceil

import gmpy2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotally.server.crypto import parallel
from cotally.v1.refusals import Refused
from tests.fixtures.keys import small_dealt

RING = small_dealt().public.ring
MODULUS = RING.modulus


@given(st.integers(0, 300), st.sampled_from([1, 8]), st.integers(1, 9))
def test_ranges_cover_a_vector_in_whole_lane_groups(count: int, lanes: int, parts: int) -> None:
    cuts = parallel.ranges(count, lanes, parts)
    assert [k for start, stop in cuts for k in range(start, stop)] == list(range(count))
    assert len(cuts) <= parts
    assert all(start % lanes == 0 for start, _ in cuts)
    groups = [ceil((stop - start) / lanes) for start, stop in cuts]
    assert max(groups, default=0) == ceil(ceil(count / lanes) / parts)  # nobody does more than its share


def test_each_keeps_the_order_and_gives_up_the_lock() -> None:
    assert parallel.each(lambda k: k * k, range(20)) == [k * k for k in range(20)]
    if parallel.processors() > 1:
        seen = parallel.each(lambda k: (threading.current_thread().name.startswith("crypto"),
                                        gmpy2.get_context().allow_release_gil), range(4))
        assert set(seen) == {(True, True)}


@pytest.mark.parametrize("processors", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 9, 23])
def test_spread_operations_agree_with_python_integers(processors: int, count: int,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "processors", lambda: processors)
    bases, exponents = [k * k + 2 for k in range(count)], [3 * k + 1 for k in range(count)]
    vector, table = RING.vector(bases), RING.fixed_base(5, 10, 1 << 20)
    numbers = [pow(b, e, MODULUS) for b, e in zip(bases, exponents, strict=True)]
    assert RING.numbers(parallel.secret_powers(RING, vector, exponents, 10)) == numbers
    assert RING.numbers(parallel.powers(RING, vector, 65537)) == [pow(b, 65537, MODULUS) for b in bases]
    assert RING.numbers(parallel.times_powers(RING, table, vector, exponents)) == [
        b * pow(5, e, MODULUS) % MODULUS for b, e in zip(bases, exponents, strict=True)]
    product = 1
    for number in numbers:
        product = product * number % MODULUS
    assert parallel.power_product(RING, vector, exponents) == product


@pytest.mark.parametrize("surplus", [-1, 1])
def test_unequal_lengths_are_refused(surplus: int) -> None:
    vector, exponents = RING.vector([2, 3, 4]), [1] * (3 + surplus)
    for operation in (lambda: parallel.secret_powers(RING, vector, exponents, 9),
                      lambda: parallel.times_powers(RING, RING.fixed_base(5, 9, 4096), vector, exponents),
                      lambda: parallel.power_product(RING, vector, exponents)):
        with pytest.raises(Refused):
            operation()
