"""The analyst's question from its message to the model. `planner.check` judges its meaning."""

from fractions import Fraction

from cotally.server.model.query import (
    All,
    Any,
    ColumnBounds,
    Comparison,
    Derivation,
    DerivedKey,
    Join,
    Literal,
    Mechanism,
    Membership,
    Not,
    NullTest,
    Operator,
    Predicate,
    Privacy,
    Query,
    Statistic,
    StatisticKind,
    Target,
)
from cotally.v1 import query_pb2
from cotally.v1.refusals import Refusal, Refused

from .numbers import day, decimal

MAX_DEPTH = 40

_KINDS = {
    query_pb2.STATISTIC_KIND_COUNT_ROWS: StatisticKind.COUNT_ROWS,
    query_pb2.STATISTIC_KIND_COUNT: StatisticKind.COUNT,
    query_pb2.STATISTIC_KIND_SUM: StatisticKind.SUM,
    query_pb2.STATISTIC_KIND_MEAN: StatisticKind.MEAN,
    query_pb2.STATISTIC_KIND_VARIANCE: StatisticKind.VARIANCE,
    query_pb2.STATISTIC_KIND_STDDEV: StatisticKind.STDDEV,
    query_pb2.STATISTIC_KIND_PERSONS: StatisticKind.PERSONS,
    query_pb2.STATISTIC_KIND_INCIDENCES: StatisticKind.INCIDENCES,
    query_pb2.STATISTIC_KIND_QUANTILE: StatisticKind.QUANTILE,
    query_pb2.STATISTIC_KIND_HISTOGRAM: StatisticKind.HISTOGRAM,
    query_pb2.STATISTIC_KIND_CORR: StatisticKind.CORR,
    query_pb2.STATISTIC_KIND_COVAR: StatisticKind.COVAR,
    query_pb2.STATISTIC_KIND_REGR: StatisticKind.REGR,
    query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS: StatisticKind.SUGGEST_BOUNDS,
    query_pb2.STATISTIC_KIND_CLIPPED_LOW: StatisticKind.CLIPPED_LOW,
    query_pb2.STATISTIC_KIND_CLIPPED_HIGH: StatisticKind.CLIPPED_HIGH,
    query_pb2.STATISTIC_KIND_TRUNCATED: StatisticKind.TRUNCATED,
}
_DERIVATIONS = {
    query_pb2.DERIVATION_BIN: Derivation.BIN, query_pb2.DERIVATION_YEAR: Derivation.YEAR,
    query_pb2.DERIVATION_QUARTER: Derivation.QUARTER, query_pb2.DERIVATION_MONTH: Derivation.MONTH,
}
_OPERATORS = {
    query_pb2.OPERATOR_EQ: Operator.EQ, query_pb2.OPERATOR_NE: Operator.NE,
    query_pb2.OPERATOR_LT: Operator.LT, query_pb2.OPERATOR_LE: Operator.LE,
    query_pb2.OPERATOR_GT: Operator.GT, query_pb2.OPERATOR_GE: Operator.GE,
}
_MECHANISMS = {
    query_pb2.MECHANISM_GAUSSIAN: Mechanism.GAUSSIAN,
    query_pb2.MECHANISM_LAPLACE: Mechanism.LAPLACE,
}


def from_message(message: query_pb2.Query) -> Query:
    """The typed query; refuses what has no meaning at all."""
    return Query(
        table=message.table, keys=tuple(message.keys),
        statistics=tuple(_statistic(s) for s in message.statistics),
        where=_predicate(message.where, 0) if message.HasField("where") else None,
        privacy=_privacy(message.privacy),
        joins=tuple(Join(j.table, j.using) for j in message.joins),
        bounds=tuple(ColumnBounds(b.column, decimal(b.lower, f"the lower bound of {b.column}"),
                                  decimal(b.upper, f"the upper bound of {b.column}"))
                     for b in message.bounds),
        derived=tuple(_derived(d) for d in message.derived), consistent=message.consistent,
    )


def _statistic(s: query_pb2.Statistic) -> Statistic:
    if s.kind not in _KINDS:
        raise Refused(Refusal.MALFORMED, f"statistic {s.alias!r} has no known kind")
    return Statistic(
        s.alias, _KINDS[s.kind], s.column, tuple(s.others),
        quantile=decimal(s.quantile, f"the quantile of {s.alias!r}") if s.quantile else None,
        bins=s.bins, weight=s.weight,
        loss=decimal(s.loss, f"the loss of {s.alias!r}") if s.loss else Fraction(1),
        error=decimal(s.error, f"the error of {s.alias!r}") if s.error else None,
    )


def _derived(d: query_pb2.DerivedKey) -> DerivedKey:
    if d.derivation not in _DERIVATIONS:
        raise Refused(Refusal.MALFORMED, f"the key {d.name!r} has no known derivation")
    width = decimal(d.width, f"the width of {d.name!r}") if d.width else None
    return DerivedKey(d.name, _DERIVATIONS[d.derivation], d.column, width, d.other)


def _literal(message: query_pb2.Literal) -> Literal:
    match message.WhichOneof("value"):
        case "integer":
            return message.integer
        case "decimal":
            return decimal(message.decimal, "a literal")
        case "text":
            return message.text
        case "date":
            return day(message.date, "a literal")
        case _:
            raise Refused(Refusal.MALFORMED, "a literal has no value")


def _predicate(p: query_pb2.Predicate, depth: int) -> Predicate:
    if depth > MAX_DEPTH:
        raise Refused(Refusal.MALFORMED, f"the WHERE clause is nested more than {MAX_DEPTH} deep")
    match p.WhichOneof("node"):
        case "comparison":
            if p.comparison.operator not in _OPERATORS:
                raise Refused(Refusal.MALFORMED, "a comparison has no operator")
            return Comparison(p.comparison.column, _OPERATORS[p.comparison.operator],
                              _literal(p.comparison.literal))
        case "membership":
            return Membership(p.membership.column, tuple(_literal(x) for x in p.membership.literals))
        case "is_null":
            return NullTest(p.is_null.column)
        case "all":
            return All(_operands(p.all, depth))
        case "any":
            return Any(_operands(p.any, depth))
        case "negation":
            return Not(_predicate(p.negation, depth + 1))
        case _:
            raise Refused(Refusal.MALFORMED, "the WHERE clause has an empty part")


def _operands(junction: query_pb2.Junction, depth: int) -> tuple[Predicate, ...]:
    if len(junction.operands) < 2:
        raise Refused(Refusal.MALFORMED, "AND and OR take at least two conditions")
    return tuple(_predicate(p, depth + 1) for p in junction.operands)


def _privacy(clause: query_pb2.PrivacyClause) -> Privacy:
    target = clause.WhichOneof("target")
    if target is None:
        raise Refused(Refusal.BAD_PRIVACY, "the privacy clause names none of epsilon, rho and error")
    if clause.mechanism not in _MECHANISMS:
        raise Refused(Refusal.BAD_PRIVACY, "the privacy clause names no known mechanism")
    return Privacy(Target(target), decimal(getattr(clause, target), target),
                   decimal(clause.confidence, "confidence"), _MECHANISMS[clause.mechanism])
