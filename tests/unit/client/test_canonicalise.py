"""The canonical form keeps the meaning, under SQL's three-valued logic, and is a fixed point."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.client.canonicalise import canonical_query, fingerprint
from cotally.v1.query_pb2 import (
    Comparison,
    Junction,
    Literal,
    Membership,
    NullTest,
    Operator,
    Predicate,
    Query,
)

Row = dict[str, int | None]
VALUES = (None, 0, 1, 2)
OPERATORS = [o for o in Operator.values() if o != Operator.OPERATOR_UNSPECIFIED]

columns = st.sampled_from(["a", "b"])
literals = st.integers(0, 2).map(lambda n: Literal(integer=n))
leaves = st.one_of(
    st.builds(lambda c, o, v: Predicate(comparison=Comparison(column=c, operator=o, literal=v)),
              columns, st.sampled_from(OPERATORS), literals),
    st.builds(lambda c, v: Predicate(membership=Membership(column=c, literals=v)),
              columns, st.lists(literals, min_size=1, max_size=4)),
    st.builds(lambda c: Predicate(is_null=NullTest(column=c)), columns),
)
predicates = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(lambda p: Predicate(negation=p)),
        st.lists(inner, min_size=2, max_size=3).map(lambda p: Predicate(all=Junction(operands=p))),
        st.lists(inner, min_size=2, max_size=3).map(lambda p: Predicate(any=Junction(operands=p))),
    ),
    max_leaves=8,
)


def holds(node: Predicate, row: Row) -> bool | None:
    """Evaluate as SQL does; None is UNKNOWN."""
    kind = node.WhichOneof("node")
    if kind == "is_null":
        return row[node.is_null.column] is None
    if kind == "negation":
        inner = holds(node.negation, row)
        return None if inner is None else not inner
    if kind == "comparison":
        left, right = row[node.comparison.column], node.comparison.literal.integer
        if left is None:
            return None
        return {
            Operator.OPERATOR_EQ: left == right, Operator.OPERATOR_NE: left != right,
            Operator.OPERATOR_LT: left < right, Operator.OPERATOR_LE: left <= right,
            Operator.OPERATOR_GT: left > right, Operator.OPERATOR_GE: left >= right,
        }[node.comparison.operator]
    if kind == "membership":
        value = row[node.membership.column]
        return None if value is None else value in [v.integer for v in node.membership.literals]
    several = [holds(p, row) for p in (node.all if kind == "all" else node.any).operands]
    decisive = kind == "any"
    if decisive in several:
        return decisive
    return None if None in several else not decisive


@settings(max_examples=300, deadline=None)
@given(predicates)
def test_the_meaning_stays(predicate: Predicate) -> None:
    form = canonical_query(Query(where=predicate)).where
    for a in VALUES:
        for b in VALUES:
            assert holds(form, {"a": a, "b": b}) is holds(predicate, {"a": a, "b": b})


@settings(max_examples=200, deadline=None)
@given(predicates)
def test_it_is_a_fixed_point(predicate: Predicate) -> None:
    form = canonical_query(Query(where=predicate))
    assert canonical_query(form) == form


@settings(max_examples=200, deadline=None)
@given(st.lists(predicates, min_size=2, max_size=4), st.randoms(use_true_random=False), st.booleans())
def test_order_and_repeats_do_not_count(operands: list[Predicate], random: object, both: bool) -> None:
    shuffled = [*operands, operands[0]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (
        Query(where=Predicate(all=Junction(operands=p)) if both else Predicate(any=Junction(operands=p)))
        for p in (operands, shuffled)
    )
    assert fingerprint(canonical_query(one)) == fingerprint(canonical_query(other))


def test_it_leaves_its_argument_alone_and_composes_text() -> None:
    test = Membership(column="e\u0301", literals=[Literal(text="e\u0301")])
    written = Query(table="e\u0301", keys=["b\u0308", "a"], where=Predicate(membership=test))
    form = canonical_query(written)
    assert written.table == "e\u0301"
    assert (form.table, list(form.keys)) == ("é", ["b̈", "a"])  # keys keep their order
    assert form.where.comparison == Comparison(
        column="é", operator=Operator.OPERATOR_EQ, literal=Literal(text="é")
    )
    assert len(fingerprint(form)) == 64
