"""The plan as it is announced. Every party makes its own and compares the messages."""

from fractions import Fraction

from cotally.server.model.packing import Packing
from cotally.server.model.plan import Block, BlockKind, Dyadic, Form, LeafScale, Leaves, Plan
from cotally.server.model.query import Mechanism
from cotally.v1 import query_pb2, round_pb2

_KINDS = {
    BlockKind.COUNT: round_pb2.BLOCK_KIND_COUNT,
    BlockKind.SUM: round_pb2.BLOCK_KIND_SUM,
    BlockKind.CENTRED_SUM: round_pb2.BLOCK_KIND_CENTRED_SUM,
    BlockKind.PRODUCT: round_pb2.BLOCK_KIND_PRODUCT,
    BlockKind.CELLS: round_pb2.BLOCK_KIND_CELLS,
    BlockKind.TREE: round_pb2.BLOCK_KIND_TREE,
    BlockKind.PERSONS: round_pb2.BLOCK_KIND_PERSONS,
    BlockKind.CLIPPED_LOW: round_pb2.BLOCK_KIND_CLIPPED_LOW,
    BlockKind.CLIPPED_HIGH: round_pb2.BLOCK_KIND_CLIPPED_HIGH,
    BlockKind.TRUNCATED: round_pb2.BLOCK_KIND_TRUNCATED,
}
_SCALES = {LeafScale.EVEN: round_pb2.LEAF_SCALE_EVEN, LeafScale.LOG: round_pb2.LEAF_SCALE_LOG}
_MECHANISMS = {
    Mechanism.GAUSSIAN: query_pb2.MECHANISM_GAUSSIAN,
    Mechanism.LAPLACE: query_pb2.MECHANISM_LAPLACE,
}


def to_message(plan: Plan) -> round_pb2.Plan:
    """The message of *plan*; equal plans give equal digests."""
    return round_pb2.Plan(
        blocks=[_block(b) for b in plan.blocks], mechanism=_MECHANISMS[plan.mechanism],
        honest=plan.honest, pico_loss=plan.pico_loss,
        epsilon=_decimal(plan.epsilon) if plan.epsilon is not None else "",
        packing=_packing(plan.packing),
        answer_ms=plan.answer_ms, population=plan.population, minimum=plan.minimum,
        readings=[round_pb2.Reading(blocks=blocks) for blocks in plan.readings],
    )


def _packing(p: Packing) -> round_pb2.Packing:
    runs = [round_pb2.Run(cells=r.cells, slot_bits=r.slot_bits, bias=r.bias) for r in p.runs]
    return round_pb2.Packing(runs=runs, plaintext_bits=p.plaintext_bits, ciphertexts=p.ciphertexts)


def _block(b: Block) -> round_pb2.Block:
    return round_pb2.Block(
        kind=_KINDS[b.kind], column=b.column, offset=b.offset, cells=b.cells, factor=b.factor,
        shift=b.shift, step=str(b.step), centre=str(b.centre), refinement=b.refinement, low=b.low,
        high=b.high, l1=str(b.l1), l2_squared=str(b.l2_squared), scale=_dyadic(b.scale),
        pico_loss=b.pico_loss, coarse=b.coarse, present=b.present,
        second=None if b.second is None else _form(b.second),
        leaves=None if b.leaves is None else _leaves(b.leaves),
    )


def _form(f: Form) -> round_pb2.Form:
    return round_pb2.Form(column=f.column, coarse=f.coarse, factor=f.factor, shift=f.shift,
                          centre=str(f.centre))


def _leaves(leaves: Leaves) -> round_pb2.Leaves:
    return round_pb2.Leaves(scale=_SCALES[leaves.scale], count=leaves.count)


def _dyadic(number: Dyadic) -> round_pb2.Dyadic:
    return round_pb2.Dyadic(mantissa=number.mantissa, exponent=number.exponent)


def _decimal(number: Fraction) -> str:
    """Shortest exact decimal; the planner rounds to one."""
    digits = 0
    while (number * 10**digits).denominator != 1:
        digits += 1
    scaled = int(number * 10**digits)
    whole, rest = divmod(scaled, 10**digits)
    return f"{whole}.{rest:0{digits}d}" if digits else str(whole)
