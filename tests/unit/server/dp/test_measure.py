"""Noise has the claimed shape and scale, and is drawn only where OpenDP agrees with its price."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from cotally.server.dp import exact, gaussian, laplace
from cotally.server.dp import measure as door
from cotally.server.dp.measure import measure
from cotally.server.dp.noise import Noise
from cotally.server.model.account import Account
from cotally.server.model.packing import Packing, Run
from cotally.server.model.plan import Block, BlockKind, Dyadic, Plan
from cotally.server.model.query import Mechanism
from cotally.v1.refusals import Refusal, Refused

CAP = 10**6
CELLS = 20_000


def a_plan(mechanism: Mechanism, cells: int = CELLS, honest: int = 2, l1: int = 5) -> Plan:
    """One block of integers to which one person adds at most *l1*, at a loss of about 1/10 in rho."""
    if mechanism is Mechanism.GAUSSIAN:
        scale = gaussian.share_scale(l1**2, 10**11 // 8, honest, cells)
        price = gaussian.price(l1**2, scale, honest, cells)
    else:
        scale = laplace.share_scale(l1, Fraction(1, 5))
        price = laplace.price(l1, scale, Account.RHO)
    block = Block(
        BlockKind.COUNT, "", 0, cells, 0, 1, Fraction(1), Fraction(0), 1, 0, CAP, l1, l1**2, scale, price
    )
    packing = Packing((Run(cells, 40, 2 * CAP),), 40)
    return Plan((block,), mechanism, honest, price, None, packing, 100, "residents", 3)


def changed(plan: Plan, **fields: object) -> Plan:
    """*plan* with fields of its only block replaced."""
    return replace(plan, blocks=(replace(plan.blocks[0], **fields),))  # type: ignore[arg-type]


def gap(samples: Sequence[int], distribution: Callable[[float], float]) -> float:
    """Kolmogorov distance between integers and a continuous distribution, read between the integers."""
    values, counts = np.unique(np.asarray(samples), return_counts=True)
    empirical = np.cumsum(counts) / counts.sum()
    return max(
        abs(float(e) - distribution(float(v) + 0.5)) for v, e in zip(values, empirical, strict=True)
    )


def normal(scale: float) -> Callable[[float], float]:
    return lambda x: (1 + math.erf(x / scale / math.sqrt(2))) / 2


def two_sided(scale: float) -> Callable[[float], float]:
    return lambda x: 1 - math.exp(-x / scale) / 2 if x > 0 else math.exp(x / scale) / 2


DKW = math.sqrt(math.log(2 / 1e-9) / (2 * CELLS))  # 1 false alarm in 1e9
CLAIMS = [(1.0, True), (0.8, False), (1.25, False)]


@pytest.mark.parametrize("noise", list(Noise))
@pytest.mark.parametrize("claim, accepted", CLAIMS)
def test_a_share_is_gaussian_of_the_claimed_scale(claim: float, accepted: bool, noise: Noise) -> None:
    plan = a_plan(Mechanism.GAUSSIAN)
    noised = measure([7] * CELLS, plan, noise)
    scale = float(plan.blocks[0].scale.fraction())
    assert (gap([value - 7 for value in noised], normal(scale * claim)) < DKW) == accepted


@pytest.mark.parametrize("noise", list(Noise))
@pytest.mark.parametrize("claim, accepted", CLAIMS)
def test_h_shares_together_carry_the_priced_noise(claim: float, accepted: bool, noise: Noise) -> None:
    plan = a_plan(Mechanism.GAUSSIAN, honest=2)
    total = [a + b for a, b in zip(*(measure([0] * CELLS, plan, noise) for _ in range(2)), strict=True)]
    sigma = math.sqrt(plan.blocks[0].l2_squared / (2 * plan.pico_loss / 10**12))
    assert (gap(total, normal(sigma * claim)) < DKW) == accepted


@pytest.mark.parametrize("noise", list(Noise))
@pytest.mark.parametrize("claim, accepted", CLAIMS)
def test_laplace_has_the_claimed_scale(claim: float, accepted: bool, noise: Noise) -> None:
    plan = a_plan(Mechanism.LAPLACE, honest=1)
    noised = measure([CAP] * CELLS, plan, noise)
    scale = float(plan.blocks[0].scale.fraction())
    assert (gap([value - CAP for value in noised], two_sided(scale * claim)) < DKW) == accepted


def test_the_shapes_differ() -> None:
    plan = a_plan(Mechanism.LAPLACE, honest=1)
    scale = float(plan.blocks[0].scale.fraction())
    assert gap(measure([0] * CELLS, plan), normal(scale * math.sqrt(2))) > DKW


@pytest.mark.parametrize("noise", list(Noise))
def test_values_beyond_the_caps_are_clamped_before_noise_and_not_after(noise: Noise) -> None:
    plan = a_plan(Mechanism.GAUSSIAN, cells=400)
    assert abs(np.mean(measure([10**30] * 400, plan, noise)) - CAP) < CAP / 100
    assert abs(np.mean(measure([-(10**30)] * 400, plan, noise))) < CAP / 100
    assert min(measure([0] * 400, plan, noise)) < 0  # clamping a noised share would cancel it


@pytest.mark.parametrize("noise", list(Noise))
def test_every_coordinate_and_every_call_has_its_own_noise(noise: Noise) -> None:
    plan = a_plan(Mechanism.GAUSSIAN)
    first, second = (np.array(measure([0] * CELLS, plan, noise)) for _ in range(2))
    for left, right in ((first, second), (first[1:], first[:-1])):
        assert abs(np.corrcoef(left, right)[0, 1]) < 6.2 / math.sqrt(len(left))


@pytest.mark.parametrize("noise", list(Noise))
@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_a_price_that_is_not_the_noises_is_refused(mechanism: Mechanism, noise: Noise) -> None:
    plan = a_plan(mechanism, cells=3)
    block = plan.blocks[0]
    lies = [
        changed(plan, pico_loss=block.pico_loss * 99 // 100),
        changed(plan, pico_loss=block.pico_loss * 101 // 100),
        changed(plan, scale=Dyadic(block.scale.mantissa, block.scale.exponent - 1)),
        changed(plan, l1=2 * block.l1, l2_squared=4 * block.l2_squared),
    ]
    if mechanism is Mechanism.GAUSSIAN:
        lies.append(replace(plan, honest=1))
    for lie in lies:
        with pytest.raises(Refused) as refused:
            measure([0, 0, 0], lie, noise)
        assert refused.value.refusal is Refusal.PLAN_MISMATCH


@pytest.mark.parametrize("noise", list(Noise))
@pytest.mark.parametrize(
    "scale", [Dyadic(0, 0), Dyadic(-3, 4), Dyadic(1, 5000), Dyadic(1, -5000), Dyadic(3, 0)]
)
def test_no_noise_endless_noise_and_narrow_noise_are_refused(scale: Dyadic, noise: Noise) -> None:
    with pytest.raises(Refused) as refused:
        measure([0, 0, 0], changed(a_plan(Mechanism.GAUSSIAN, cells=3), scale=scale), noise)
    assert refused.value.refusal is Refusal.BAD_PRIVACY


def test_a_vector_of_another_length_is_refused() -> None:
    plan = a_plan(Mechanism.GAUSSIAN, cells=3)
    for values in ([], [0, 0], [0, 0, 0, 0]):
        with pytest.raises(Refused):
            measure(values, plan)
    with pytest.raises(Refused):
        measure([0, 0, 0], changed(plan, offset=1))


def test_errors_of_the_sampler_never_quote_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(values: Sequence[int]) -> list[int]:
        raise RuntimeError(f"cannot add noise to {values}")

    monkeypatch.setattr(door, "build", lambda block, mechanism, honest, account: failing)
    with pytest.raises(Refused) as refused:
        measure([123_456] * 3, a_plan(Mechanism.GAUSSIAN, cells=3))
    assert "123456" not in str(refused.value)
    assert refused.value.__suppress_context__


def asked_for(scale: Dyadic) -> Plan:
    """A plan of three cells with noise of *scale*, and the price and sensitivity that go with it."""
    plan = a_plan(Mechanism.LAPLACE, cells=3, honest=1)
    l1 = int(scale.fraction()) // 8
    price = laplace.price(l1, scale, Account.RHO)
    return changed(plan, scale=scale, l1=l1, l2_squared=l1**2, pico_loss=price)


def test_exact_noise_of_more_than_64_bits_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        measure([0, 0, 0], asked_for(Dyadic(1, 62)), Noise.EXACT)
    assert refused.value.refusal is Refusal.BAD_PRIVACY
    assert max(map(abs, measure([0, 0, 0], asked_for(Dyadic(1, 59)), Noise.EXACT))) > 2**54


@pytest.mark.parametrize("low, high", [(0, 2**61 + 1), (-(2**61) - 1, 0), (-(2**70), 2**70), (1, 0)])
def test_caps_that_exact_noise_could_wrap_are_refused(low: int, high: int) -> None:
    with pytest.raises(Refused) as refused:
        measure([0, 0, 0], changed(asked_for(Dyadic(1, 20)), low=low, high=high), Noise.EXACT)
    assert refused.value.refusal is Refusal.BAD_PRIVACY


def test_sums_with_exact_noise_are_cut_and_never_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """All sums that 2**61 holds are as they are, although the noise itself was cut."""
    plan = changed(asked_for(Dyadic(1, 20)), low=-(2**61), high=2**61)
    for value in (-(2**80), -5, 2**80):
        for noise in (-(2**62), -(2**61), -1, 2**61 - 1, 2**62):
            monkeypatch.setattr(exact, "draw", lambda law, count, noise=noise: np.full(count, noise))
            inner = min(max(value, -(2**61)), 2**61)
            assert measure([value] * 3, plan, Noise.EXACT) == [min(max(inner + noise, -(2**61)), 2**61)] * 3


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_opendp_prices_each_block_whoever_draws(
    mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def by_opendp(values: list[int]) -> list[int]:
        drawn.append("opendp")
        return values

    def by_us(law: object, count: int) -> npt.NDArray[np.int64]:
        drawn.append("exact")
        return np.zeros(count, np.int64)

    monkeypatch.setattr(door, "build", lambda block, of, honest, account: by_opendp)
    monkeypatch.setattr(exact, "draw", by_us)
    plan = a_plan(mechanism, cells=3)
    for noise in Noise:
        measure([1, 2, 3], plan, noise)
    assert drawn == ["opendp", "exact"]

    def refuse(block: Block, of: Mechanism, honest: int, account: Account) -> None:
        raise Refused(Refusal.PLAN_MISMATCH, "the price is another")

    monkeypatch.setattr(door, "build", refuse)
    for noise in Noise:
        with pytest.raises(Refused):
            measure([1, 2, 3], plan, noise)
    assert drawn == ["opendp", "exact"]
