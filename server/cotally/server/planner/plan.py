"""From query, table and rules to the plan that every party recomputes and compares."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from cotally.v1.refusals import Refusal, Refused

from ..crypto.packing import slot_width
from ..dp import gaussian, laplace, mechanism
from ..dp.rounding import short_decimal_up
from ..model.account import PICO, Account
from ..model.catalog import Table
from ..model.plan import Block, Plan, Rules
from ..model.query import (
    All,
    Any,
    Comparison,
    Mechanism,
    Membership,
    Not,
    Predicate,
    Query,
    Target,
)
from ..statistics.encoding import Encoding
from .answering_time import answering_time
from .check import check
from .layout import Layout, lay_out
from .packing import TOTAL_BITS, DoesNotFit, pack
from .target import acceptable, block_rhos, name, refuse_outside

_EPSILON_DIGITS = 9  # of the pure epsilon that a plan states, rounded up


def make_plan(query: Query, table: Table, rules: Rules) -> Plan:
    """The plan of *query* over *table* under *rules*: layout, noise, price, packing, answering time.

    Raises Refused: what `check` and `lay_out` refuse, BAD_PRIVACY where the amount asked for is out
    of the range that it names, UNSUPPORTED where no noise lets the totals fit their integers.
    """
    check(query, table)
    layout = lay_out(query, table, rules)
    _refuse_wide_columns(layout, rules)
    bounds = acceptable(query, table, layout)
    try:
        plan = _price(query, table, rules, layout)
    except DoesNotFit as found:
        refuse_outside(query, _fitting(query, table, rules, layout, bounds))
        raise Refused(
            Refusal.BAD_PRIVACY, f"{name(query)} makes totals of {found} too large for {TOTAL_BITS} bits"
        ) from None
    for block in plan.blocks:
        mechanism.build(block, plan.mechanism, plan.honest, plan.account)  # OpenDP agrees, or it is refused
    return plan


def _price(query: Query, table: Table, rules: Rules, layout: Layout) -> Plan:
    kind = query.privacy.mechanism
    blocks = tuple(_blocks(layout, kind, block_rhos(query, table, rules, layout), table.account))
    packing = pack(blocks, kind, layout.departments, rules.modulus_bits)
    return Plan(
        blocks=blocks,
        mechanism=kind,
        honest=layout.share_of(kind),
        pico_loss=sum(block.pico_loss for block in blocks),
        epsilon=_pure_epsilon(query, table, blocks) if kind is Mechanism.LAPLACE else None,
        packing=packing,
        answer_ms=answering_time(
            table.max_people * layout.passes, layout.coordinates, packing.ciphertexts, rules,
            literals=_literals(query.where) * layout.passes),
        population=table.population,
        minimum=table.min_departments,
        readings=layout.readings,
        account=table.account,
    )


def _literals(predicate: Predicate | None) -> int:
    """With how many values *predicate* compares, listed ones included."""
    match predicate:
        case Comparison():
            return 1
        case Membership(_, literals):
            return len(literals)
        case Not(operand):
            return _literals(operand)
        case All(operands) | Any(operands):
            return sum(map(_literals, operands))
    return 0


def _blocks(
    layout: Layout, kind: Mechanism, rhos: tuple[Fraction, ...], account: Account
) -> Iterator[Block]:
    offset, coordinates = 0, layout.coordinates
    for encoding, rho in zip(layout.encodings, rhos, strict=True):
        yield _block(layout, encoding, offset, coordinates, kind, rho, account)
        offset += layout.groups * encoding.width


def _block(
    layout: Layout, encoding: Encoding, offset: int, coordinates: int, kind: Mechanism, rho: Fraction,
    account: Account,
) -> Block:
    l1, l2_squared = layout.bounds.l1(encoding), layout.bounds.l2_squared(encoding)
    if kind is Mechanism.GAUSSIAN:
        asked = int(rho * PICO)
        refinement = gaussian.refinement(l2_squared, asked, layout.honest)
        l1, l2_squared = l1 * refinement, l2_squared * refinement**2
        scale = gaussian.share_scale(l2_squared, asked, layout.honest, coordinates)
        price = gaussian.price(l2_squared, scale, layout.honest, coordinates)
    else:
        refinement = laplace.refinement(l1, 2 * rho)
        l1, l2_squared = l1 * refinement, l2_squared * refinement**2
        scale = laplace.share_scale(l1, 2 * rho)
        price = laplace.price(l1, scale, account)
    low, high = layout.bounds.caps(encoding)
    return Block(
        kind=encoding.kind, column=encoding.column, offset=offset, cells=layout.groups * encoding.width,
        factor=encoding.factor, shift=encoding.shift, step=encoding.step, centre=encoding.centre,
        refinement=refinement, low=low * refinement, high=high * refinement,
        l1=l1, l2_squared=l2_squared, scale=scale, pico_loss=price,
        coarse=encoding.coarse, second=encoding.second, present=encoding.present, leaves=encoding.leaves,
    )


def _pure_epsilon(query: Query, table: Table, blocks: tuple[Block, ...]) -> Fraction:
    """The sum of the blocks' epsilons as a short decimal, rounded up, but never above what was asked.

    Where the population counts in epsilon, it is the price itself.
    """
    if table.pure:
        return Fraction(sum(block.pico_loss for block in blocks), PICO)
    exact = sum((laplace.epsilon(block.l1, block.scale) for block in blocks), Fraction(0))
    short = short_decimal_up(exact, _EPSILON_DIGITS)
    return min(short, query.privacy.amount) if query.privacy.target is Target.EPSILON else short


def _refuse_wide_columns(layout: Layout, rules: Rules) -> None:
    """Refuse a column whose un-noised totals alone are too large, whatever the privacy."""
    for encoding in layout.encodings:
        low, high = layout.bounds.caps(encoding)
        width = slot_width(layout.departments, max(-low, high))
        if width > min(TOTAL_BITS, rules.modulus_bits - 1):
            raise Refused(
                Refusal.UNSUPPORTED,
                f"totals of {encoding.column or 'rows'} over {layout.bounds.people} people per department "
                f"need {width} of {TOTAL_BITS} bits; the catalog's bounds or resolution must be coarser",
            )


def _fitting(
    query: Query, table: Table, rules: Rules, layout: Layout, bounds: tuple[Fraction, Fraction]
) -> tuple[Fraction, Fraction]:
    """The part of *bounds*, to the decade, in which totals fit; refuses where there is none."""
    fitting = []
    for amount in _decades(*bounds):
        try:
            _price(replace(query, privacy=replace(query.privacy, amount=amount)), table, rules, layout)
        except (DoesNotFit, Refused):
            continue
        fitting.append(amount)
    if not fitting:
        raise Refused(Refusal.UNSUPPORTED, f"no noise lets totals of {table.name!r} fit {TOTAL_BITS} bits")
    return fitting[0], fitting[-1]


def _decades(least: Fraction, most: Fraction) -> Iterator[Fraction]:
    """*least*, the powers of ten above it, and *most*."""
    yield least
    power = short_decimal_up(least, 1)
    while power < most:
        if power > least:
            yield power
        power *= 10
    yield most
