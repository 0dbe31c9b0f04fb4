"""Grants: whatever a department did not sign for is refused by name."""

from collections.abc import Callable

import pytest

from cotally.server.crypto.signing import SigningKey
from cotally.server.policy.grants import check_grant, least_granted
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.canonical import to_sign
from cotally.v1.refusals import Refusal, Refused

KEY = SigningKey.generate()
FOUNDING = bytes(range(32))
NORTH = roster_pb2.Member(name="north", role=roster_pb2.ROLE_NODE, signing_key=KEY.public)


def grant() -> query_pb2.Grant:
    return query_pb2.Grant(
        federation="pums", founding=FOUNDING, department="north", analyst="alice",
        purposes=["statistics", "audit"],
        tables=["people"],
        columns=["people.age", "people.income", "people.sex", "people.region", "other.hidden"],
        statistics=[query_pb2.STATISTIC_KIND_COUNT_ROWS, query_pb2.STATISTIC_KIND_MEAN],
        not_before_ms=1000, not_after_ms=2000)


def predicate(column: str) -> query_pb2.Predicate:
    """A clause that names *column* under AND, OR and NOT."""
    test = query_pb2.Predicate(is_null=query_pb2.NullTest(column=column))
    negated = query_pb2.Predicate(negation=test)
    either = query_pb2.Predicate(any=query_pb2.Junction(operands=[
        query_pb2.Predicate(membership=query_pb2.Membership(column="sex")), negated]))
    return query_pb2.Predicate(all=query_pb2.Junction(operands=[
        query_pb2.Predicate(comparison=query_pb2.Comparison(column="age")), either]))


def question() -> query_pb2.Envelope:
    return query_pb2.Envelope(
        federation="pums", analyst="alice", purpose="statistics",
        query=query_pb2.Query(
            table="people", keys=["sex"], where=predicate("region"),
            statistics=[
                query_pb2.Statistic(alias="n", kind=query_pb2.STATISTIC_KIND_COUNT_ROWS),
                query_pb2.Statistic(alias="m", kind=query_pb2.STATISTIC_KIND_MEAN, column="income"),
            ]))


def check(
    body: query_pb2.Grant, envelope: query_pb2.Envelope, now_ms: int = 1500, by: SigningKey = KEY,
    department: roster_pb2.Member = NORTH, federation: str = "pums", founding: bytes = FOUNDING,
) -> None:
    signed = query_pb2.SignedGrant(body=body, signature=by.sign(to_sign("grant", body)))
    check_grant(signed, department, federation, founding, envelope, now_ms)


def refused(*arguments: object, **named: object) -> Refused:
    with pytest.raises(Refused) as caught:
        check(*arguments, **named)  # type: ignore[arg-type]
    return caught.value


def test_of_several_budgets_the_least_counts() -> None:
    grants = [query_pb2.SignedGrant(body=grant()) for _ in range(3)]
    for signed, pico_loss in zip(grants, (7, 5, 9), strict=True):
        signed.body.budgets.add(population="people", purpose="statistics", pico_loss=pico_loss)
    grants[2].body.budgets.add(population="people", purpose="audit", pico_loss=1)
    assert least_granted(grants, "people", "statistics") == 5
    assert least_granted(grants, "people", "audit") == 1
    assert least_granted(grants, "cattle", "statistics") == 0, "no limit"


@pytest.mark.parametrize("now_ms", [1000, 1500, 2000])
def test_a_covered_question_passes(now_ms: int) -> None:
    check(grant(), question(), now_ms)


def test_no_list_of_columns_or_statistics_means_all_of_the_tables() -> None:
    body = grant()
    body.ClearField("columns")
    body.ClearField("statistics")
    check(body, question())


def purpose(body: query_pb2.Grant, _: query_pb2.Envelope) -> None:
    body.purposes.remove("statistics")


def no_purpose(_: query_pb2.Grant, envelope: query_pb2.Envelope) -> None:
    envelope.purpose = ""


def table(body: query_pb2.Grant, _: query_pb2.Envelope) -> None:
    body.tables[0] = "households"


def key_column(_: query_pb2.Grant, envelope: query_pb2.Envelope) -> None:
    envelope.query.keys.append("hidden")


def statistic_column(_: query_pb2.Grant, envelope: query_pb2.Envelope) -> None:
    envelope.query.statistics[1].column = "hidden"


def nested_column(_: query_pb2.Grant, envelope: query_pb2.Envelope) -> None:
    envelope.query.where.CopyFrom(predicate("hidden"))


def column_of_another_table(body: query_pb2.Grant, _: query_pb2.Envelope) -> None:
    body.columns.remove("people.sex")
    body.columns.append("other.sex")


def statistic(_: query_pb2.Grant, envelope: query_pb2.Envelope) -> None:
    envelope.query.statistics[1].kind = query_pb2.STATISTIC_KIND_SUM


@pytest.mark.parametrize(("change", "missing"), [
    (purpose, "purpose 'statistics'"), (no_purpose, "purpose ''"), (table, "table people"),
    (key_column, "column people.hidden"), (statistic_column, "column people.hidden"),
    (nested_column, "column people.hidden"), (column_of_another_table, "column people.sex"),
    (statistic, "statistic sum"),
])
def test_what_is_missing_is_named(
    change: Callable[[query_pb2.Grant, query_pb2.Envelope], None], missing: str
) -> None:
    body, envelope = grant(), question()
    change(body, envelope)
    error = refused(body, envelope)
    assert error.refusal == Refusal.NOT_ALLOWED
    for part in ("department north", "alice", missing):
        assert part in error.message


@pytest.mark.parametrize(("now_ms", "refusal"), [(999, Refusal.NOT_ALLOWED), (2001, Refusal.EXPIRED)])
def test_a_grant_has_its_time(now_ms: int, refusal: Refusal) -> None:
    assert refused(grant(), question(), now_ms).refusal == refusal


def test_a_grant_without_end_is_none() -> None:
    body = grant()
    body.not_after_ms = 0
    assert refused(body, question()).refusal == Refusal.EXPIRED


def test_another_analysts_or_departments_or_federations_grant_is_refused() -> None:
    envelope = question()
    envelope.analyst = "mallory"
    assert refused(grant(), envelope).refusal == Refusal.NOT_ALLOWED
    south = roster_pb2.Member(name="south", role=roster_pb2.ROLE_NODE, signing_key=KEY.public)
    assert refused(grant(), question(), department=south).refusal == Refusal.NOT_ALLOWED
    assert refused(grant(), question(), federation="brfss").refusal == Refusal.NOT_ALLOWED


def test_a_grant_of_an_earlier_federation_of_the_same_name_is_refused() -> None:
    """Its members may have kept their keys, and revoked it there."""
    assert refused(grant(), question(), founding=bytes(32)).refusal == Refusal.NOT_ALLOWED


def test_only_the_departments_own_signature_counts() -> None:
    assert refused(grant(), question(), by=SigningKey.generate()).refusal == Refusal.CREDENTIALS
    signed = query_pb2.SignedGrant(body=grant(), signature=KEY.sign(to_sign("grant", grant())))
    signed.body.purposes.append("marketing")
    with pytest.raises(Refused) as caught:
        check_grant(signed, NORTH, "pums", FOUNDING, question(), 1500)
    assert caught.value.refusal == Refusal.CREDENTIALS
    holder = roster_pb2.Member(name="north", role=roster_pb2.ROLE_KEY_HOLDER, signing_key=KEY.public)
    assert refused(grant(), question(), department=holder).refusal == Refusal.CREDENTIALS


def test_predicates_that_nobody_can_read_are_refused() -> None:
    envelope = question()
    envelope.query.where.CopyFrom(query_pb2.Predicate())
    assert refused(grant(), envelope).refusal == Refusal.MALFORMED
    deep = query_pb2.Predicate(is_null=query_pb2.NullTest(column="age"))
    for _ in range(70):
        deep = query_pb2.Predicate(negation=deep)
    envelope.query.where.CopyFrom(deep)
    assert refused(grant(), envelope).refusal == Refusal.MALFORMED


def joined() -> query_pb2.Query:
    """A question over two tables that names columns in every place there is."""
    return query_pb2.Query(
        table="people", joins=[query_pb2.Join(table="visits", using="pid")], keys=["year"],
        derived=[query_pb2.DerivedKey(
            name="year", derivation=query_pb2.DERIVATION_YEAR, column="visits.day")],
        bounds=[query_pb2.Bounds(column="people.age", lower="1", upper="2")],
        statistics=[query_pb2.Statistic(
            alias="m", kind=query_pb2.STATISTIC_KIND_MEAN, column="people.income",
            others=["visits.cost"], weight="visits.w")])


COLUMNS = ["people.age", "people.income", "visits.cost", "visits.day", "visits.w"]


@pytest.mark.parametrize("missing", ["visits", *COLUMNS])
def test_every_table_and_column_of_a_joined_question_needs_a_grant(missing: str) -> None:
    body, envelope = grant(), question()
    envelope.query.CopyFrom(joined())
    body.tables.append("visits")
    body.columns.extend(COLUMNS)
    check(body, envelope)
    for listed in (body.tables, body.columns):
        for _ in range(list(listed).count(missing)):
            listed.remove(missing)
    found = refused(body, envelope)
    assert found.refusal is Refusal.NOT_ALLOWED and missing in found.message
