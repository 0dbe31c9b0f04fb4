"""What a plan claims about itself, re-checked without a planner: layout, noise against price, packing.

The nodes and key holders of the round compared the plan with their own calculation; these checks catch
a plan that is wrong on its face even if all of them were hostile.
"""

import math
from fractions import Fraction
from itertools import pairwise
from typing import Final

from cotally.v1 import catalog_pb2, query_pb2, roster_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused

from ..published import column_of, key_cells, rational
from .blocks import Want, blocks_of, check_sensitivity, width
from .slots import cuts

PICO: Final = 10**12  # of what is counted in one rho, or one epsilon
_MAX_EXPONENT: Final = 1074


def groups(query: query_pb2.Query, table: catalog_pb2.Table) -> int:
    """Return the number of groups: the product of the key columns' cells, 1 without keys."""
    return math.prod(len(key_cells(column_of(table, key))) for key in query.keys)


def scale_of(block: round_pb2.Block) -> Fraction:
    """Return the noise scale of one department's share, exactly; refuse 0 and what no float could hold."""
    if block.scale.mantissa == 0 or abs(block.scale.exponent) > _MAX_EXPONENT:
        raise Refused(Refusal.BAD_PROOF, "the plan has a block without usable noise")
    return Fraction(block.scale.mantissa) * Fraction(2) ** block.scale.exponent


def check_plan(
    plan: round_pb2.Plan, query: query_pb2.Query, table: catalog_pb2.Table, policy: roster_pb2.Policy,
    modulus_bits: int,
) -> None:
    """Refuse a plan that contradicts catalog, policy or itself.

    - The question names each result once and has a confidence.
    - Each statistic is decoded from the blocks that it needs, in the catalog's units, and no block is idle;
      blocks lie one after the other and have the coordinates of every group.
    - No block says that a person moves it by less than the table's bounds let one.
    - The block prices add up to no more than the release's (each was rounded up by less than one).
    - h counts the minimum's departments less those that may collude; 1 where one department holds all.
    - Every block's noise buys at least the privacy that its price states; where the population counts in pure
      epsilon, it is Laplace noise, and its epsilon the price.
    - A run of slots holds every block's coordinates, and as many whole slots as fit make a plaintext,
      which is below the modulus.
    """
    _check_question(query)
    _check_layout(plan, query, table)
    if plan.population != table.population or plan.mechanism != query.privacy.mechanism:
        raise Refused(Refusal.PLAN_MISMATCH, "the plan has another population or mechanism than the question")
    if sum(block.pico_loss for block in plan.blocks) > plan.pico_loss + len(plan.blocks):
        raise Refused(Refusal.PLAN_MISMATCH, "the plan's blocks cost more than the release")
    _check_honest(plan, table, policy)
    for block in plan.blocks:
        _check_price(plan, block)
    if table.pure:
        _check_pure(plan)
    if plan.mechanism == query_pb2.MECHANISM_LAPLACE:
        spent = sum(rational(block.l1, "sensitivity") / scale_of(block) for block in plan.blocks)
        # The stated decimal may have been cut after many digits.
        if spent > rational(plan.epsilon, "epsilon") * (1 + Fraction(1, PICO)):
            raise Refused(Refusal.BAD_PROOF, "the plan's Laplace noise is too small for its epsilon")
    _check_packing(plan, modulus_bits)


def _check_question(query: query_pb2.Query) -> None:
    aliases = [statistic.alias for statistic in query.statistics]
    if not aliases or len({*aliases, *query.keys}) != len(aliases) + len(query.keys):
        raise Refused(Refusal.MALFORMED, "the question names no statistic, or one name twice")
    if not 0 < rational(query.privacy.confidence, "confidence") < 1:
        raise Refused(Refusal.BAD_PRIVACY, "the question's confidence does not lie between 0 and 1")


def _check_layout(
    plan: round_pb2.Plan, query: query_pb2.Query, table: catalog_pb2.Table,
) -> None:
    cells = groups(query, table)
    if not plan.blocks:
        raise Refused(Refusal.PLAN_MISMATCH, "the plan has no block")
    if any(block.refinement < 1 for block in plan.blocks):
        raise Refused(Refusal.MALFORMED, "the plan has a block of refinement 0")
    read = {position for reading in plan.readings for position in reading.blocks}
    blocks_of(plan, query, table)
    if read != set(range(len(plan.blocks))):
        raise Refused(Refusal.PLAN_MISMATCH, "the plan has a block that no statistic is decoded from")
    for block in plan.blocks:
        if block.cells != cells * width(block):
            raise Refused(
                Refusal.PLAN_MISMATCH, f"the plan's blocks do not have the question's {cells} cells"
            )
        check_sensitivity(block, table, cells)
    ends = [(block.offset, block.offset + block.cells) for block in plan.blocks]
    if ends[0][0] != 0 or any(before[1] != after[0] for before, after in pairwise(ends)):
        raise Refused(Refusal.PLAN_MISMATCH, "the plan's blocks do not lie one after the other")
    distinct = {
        (Want.of(block), block.coarse, _centre(block), block.second.coarse, _centre(block.second))
        for block in plan.blocks}
    if len(distinct) != len(plan.blocks):
        raise Refused(Refusal.PLAN_MISMATCH, "the plan measures a block twice")
    _check_forms(plan, query)


def _centre(form: round_pb2.Block | round_pb2.Form) -> Fraction:
    return rational(form.centre or "0", "centre")


def _check_forms(plan: round_pb2.Plan, query: query_pb2.Query) -> None:
    """Refuse a statistic whose products are of other values than its sums."""
    for statistic, reading in zip(query.statistics, plan.readings, strict=True):
        blocks = [plan.blocks[position] for position in reading.blocks]
        if statistic.weight:
            _check_weighted(statistic, blocks[-1])
        forms = {block.column: (block.coarse, rational(block.centre, "centre")) for block in blocks
                 if block.kind == round_pb2.BLOCK_KIND_CENTRED_SUM}
        for block in blocks:
            if block.kind != round_pb2.BLOCK_KIND_PRODUCT:
                continue
            first = (block.coarse, rational(block.centre, "centre"))
            second = (block.second.coarse, rational(block.second.centre, "centre"))
            if forms.get(block.column, first) != first or forms.get(block.second.column, second) != second:
                raise Refused(Refusal.PLAN_MISMATCH,
                              f"the plan centres {block.column!r} and its products differently")


def _check_weighted(statistic: query_pb2.Statistic, block: round_pb2.Block) -> None:
    """Refuse products whose weights, or the values of a weighted sum, are counted from elsewhere than 0."""
    if block.kind != round_pb2.BLOCK_KIND_PRODUCT:
        return
    summed = statistic.kind == query_pb2.STATISTIC_KIND_SUM
    if _centre(block.second) != 0 or (summed and _centre(block) != 0):
        raise Refused(Refusal.PLAN_MISMATCH, f"the plan makes no weighted sum for {statistic.alias!r}")


def _check_honest(plan: round_pb2.Plan, table: catalog_pb2.Table, policy: roster_pb2.Policy) -> None:
    if plan.minimum < table.min_departments:
        raise Refused(Refusal.PLAN_MISMATCH, f"the plan's minimum is below that of table {table.name!r}")
    alone = len(table.holders) == 1
    limit = 1 if alone else plan.minimum - policy.colluding
    if not 1 <= plan.honest <= limit:
        raise Refused(Refusal.BAD_PROOF, "the plan counts on more honest noise shares than the policy allows")


def _check_price(plan: round_pb2.Plan, block: round_pb2.Block) -> None:
    """Refuse a block whose noise is smaller than its price says.

    Gaussian: h shares of variance s^2 give rho = L2^2 / (2 h s^2) (Bun and Steinke 2016), exactly.
    Laplace: e = L1 / b costs at least the divergence e + exp(-e) - 1 of two Laplace distributions.
    """
    scale = scale_of(block)
    if plan.mechanism == query_pb2.MECHANISM_GAUSSIAN:
        due = rational(block.l2_squared, "sensitivity") * PICO / (2 * plan.honest * scale * scale)
    else:
        epsilon = min(float(rational(block.l1, "sensitivity") / scale), 1e6)
        least = epsilon + math.expm1(-epsilon)
        due = Fraction(max(0.0, least * (1 - 1e-6) - 1e-15) * PICO)
    if due <= 0 or block.pico_loss < due:
        name = block.column or "rows"
        raise Refused(Refusal.BAD_PROOF, f"the noise on {name!r} is too small for its price")


def _check_pure(plan: round_pb2.Plan) -> None:
    """Refuse a plan that does not charge its pure epsilon, each block's rounded up to what is counted."""
    if plan.mechanism != query_pb2.MECHANISM_LAPLACE:
        raise Refused(Refusal.BAD_PRIVACY,
                      f"population {plan.population!r} is pure, and the plan's noise is not Laplace")
    due = [math.ceil(rational(block.l1, "sensitivity") / scale_of(block) * PICO) for block in plan.blocks]
    if [block.pico_loss for block in plan.blocks] != due or plan.pico_loss != sum(due):
        raise Refused(Refusal.PLAN_MISMATCH,
                      f"population {plan.population!r} is pure, and the plan's price is not its epsilon")
    if rational(plan.epsilon, "epsilon") * PICO != plan.pico_loss:
        raise Refused(Refusal.PLAN_MISMATCH, "the plan states another epsilon than it charges")


def _check_packing(plan: round_pb2.Plan, modulus_bits: int) -> None:
    packing = plan.packing
    fits = (
        packing.plaintext_bits < modulus_bits
        and [run.cells for run in packing.runs] == [block.cells for block in plan.blocks]
        and all(1 <= run.slot_bits <= packing.plaintext_bits and run.bias < 1 << run.slot_bits
                for run in packing.runs)
    )
    if not fits or packing.ciphertexts != len(cuts(packing)) - 1:
        raise Refused(Refusal.PLAN_MISMATCH, "the plan's packing does not hold its coordinates")
