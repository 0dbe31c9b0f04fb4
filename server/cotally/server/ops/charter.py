"""Makes the messages of a charter from a spec: catalog, policy, roster, approvals, and their digests.

`wire.charter.load` reads a charter back and believes it only as far as a pinned fingerprint reaches.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from google.protobuf.message import DecodeError

from cotally.server.crypto import signing
from cotally.server.crypto.signing import SigningKey
from cotally.server.model.catalog import Column, ColumnType, Quality, Table
from cotally.server.wire import signed
from cotally.server.wire.federation import VERSION
from cotally.v1 import catalog_pb2, roster_pb2
from cotally.v1.canonical import digest, to_sign
from cotally.v1.refusals import Misconfigured

from .spec import Spec

EPOCH = 1  # of a federation's first roster and key

_TYPES = {
    ColumnType.INTEGER: catalog_pb2.COLUMN_TYPE_INTEGER,
    ColumnType.FLOAT: catalog_pb2.COLUMN_TYPE_FLOAT,
    ColumnType.CATEGORY: catalog_pb2.COLUMN_TYPE_CATEGORY,
    ColumnType.DATE: catalog_pb2.COLUMN_TYPE_DATE,
}


def make_charter(spec: Spec, members: Iterable[roster_pb2.Member], key: roster_pb2.PublicKey,
                 signers: Iterable[tuple[str, SigningKey]]) -> roster_pb2.Charter:
    """The federation's first charter, approved by the departments whose keys are in *signers*."""
    catalog = catalog_message(spec)
    roster = roster_pb2.Roster(
        version=VERSION, federation=spec.name, epoch=EPOCH, catalog=digest("catalog", catalog),
        public_key=digest("public_key", key), members=sorted(members, key=lambda m: m.name),
        policy=policy_message(spec))
    approvals = [approve(roster, name, signer) for name, signer in signers]
    return with_approvals(roster_pb2.Charter(roster=roster, catalog=catalog, public_key=key), approvals)


def approve(roster: roster_pb2.Roster, department: str, signer: SigningKey) -> roster_pb2.Approval:
    """The word of *department* that it joins under *roster*."""
    return roster_pb2.Approval(department=department, signature=signed.sign(signer, "roster", roster))


def with_approvals(charter: roster_pb2.Charter,
                   approvals: Iterable[roster_pb2.Approval]) -> roster_pb2.Charter:
    """*charter* with *approvals* added, one per department, sorted; a newer one replaces an older."""
    known = {a.department: a for a in (*charter.approvals, *approvals)}
    return roster_pb2.Charter(roster=charter.roster, catalog=charter.catalog, public_key=charter.public_key,
                              approvals=[known[name] for name in sorted(known)], lineage=charter.lineage)


def missing_approvals(charter: roster_pb2.Charter) -> list[str]:
    """The departments that have not approved yet."""
    given = {a.department for a in charter.approvals}
    return [m.name for m in charter.roster.members
            if m.role == roster_pb2.ROLE_NODE and m.name not in given]


def policy_message(spec: Spec) -> roster_pb2.Policy:
    """The rules of *spec*, budgets in each population's account, sorted by population and analyst."""
    budgets = [roster_pb2.FilterBudget(population=population, analyst=analyst,
                                       pico_loss=budget.pico_loss(population, spec.pure, spec.delta))
               for population in spec.populations
               for analyst, budget in [("", spec.population_budget),
                                       *sorted((a.name, a.budget) for a in spec.analysts if a.budget)]
               if budget is not None]
    return roster_pb2.Policy(
        min_departments=spec.min_departments, colluding=spec.colluding, delta=decimal_text(spec.delta),
        round_ms=spec.round_ms, tick_ms=spec.tick_ms, threshold=spec.threshold, budgets=budgets,
        encryption=roster_pb2.Encryption.ValueType(spec.encryption), answer_base_ms=spec.answer_base_ms,
        answer_pace=roster_pb2.Pace.ValueType(spec.answer_pace))


def catalog_message(spec: Spec) -> catalog_pb2.Catalog:
    """The tables of *spec* as all parties publish them."""
    return catalog_pb2.Catalog(federation=spec.name, epoch=EPOCH, tables=[_table(t) for t in spec.tables])


def _table(t: Table) -> catalog_pb2.Table:
    return catalog_pb2.Table(
        name=t.name, population=t.population, unit_column=t.unit or "", overlap=t.overlap,
        rows_per_person=t.rows_per_person, groups_per_person=t.groups_per_person,
        expected_people=t.expected_people, max_people=t.max_people, min_departments=t.min_departments,
        vintage=t.vintage, columns=[_column(c) for c in t.columns], holders=t.holders,
        quality=None if t.quality is None else _quality(t.quality), pure=t.pure)


def _quality(quality: Quality) -> catalog_pb2.Quality:
    return catalog_pb2.Quality(unreliable=decimal_text(quality.unreliable),
                               suppressed=decimal_text(quality.suppressed))


def _column(c: Column) -> catalog_pb2.Column:
    message = catalog_pb2.Column(name=c.name, type=_TYPES[c.type], nullable=c.nullable, codes=c.codes,
                                 other=c.other, integer_codes=c.integer_codes, weight=c.weight)
    if c.type is ColumnType.DATE:
        message.lower, message.upper = c.first.isoformat(), c.last.isoformat()
    elif c.is_number:
        message.lower, message.upper = decimal_text(c.lower), decimal_text(c.upper)
    if c.type is ColumnType.FLOAT:
        message.resolution = decimal_text(c.resolution)
    return message


def decimal_text(number: Fraction) -> str:
    """The exact decimal spelling of a finite decimal, without exponent and trailing zeros.

    >>> decimal_text(Fraction(1, 1000000)), decimal_text(Fraction(-5, 2)), decimal_text(Fraction(200))
    ('0.000001', '-2.5', '200')
    """
    digits = 0
    scaled = number
    while scaled.denominator != 1:
        scaled *= 10
        digits += 1
        if digits > 100:
            raise ValueError("this fraction is no finite decimal")
    return f"{Decimal(scaled.numerator).scaleb(-digits):f}" if digits else str(scaled.numerator)


def read_charter(path: Path) -> roster_pb2.Charter:
    """The charter in *path*, not yet believed."""
    try:
        charter = roster_pb2.Charter.FromString(path.read_bytes())
        if not charter.HasField("roster"):  # an empty file is an empty message
            raise DecodeError
        return charter
    except OSError as reason:
        raise Misconfigured(f"{path}: cannot be read: {reason.strerror}") from None
    except DecodeError:
        raise Misconfigured(f"{path}: this is not a charter, or it is damaged") from None


def read_approval(path: Path, charter: roster_pb2.Charter) -> roster_pb2.Approval:
    """The approval in *path*; Misconfigured unless a department of *charter* signed its roster."""
    try:
        approval = roster_pb2.Approval.FromString(path.read_bytes())
        if not approval.department:  # an empty file is an empty message
            raise DecodeError
    except OSError as reason:
        raise Misconfigured(f"{path}: cannot be read: {reason.strerror}") from None
    except DecodeError:
        raise Misconfigured(f"{path}: this is not an approval, or it is damaged") from None
    key = department(charter, approval.department, path).signing_key
    if not signing.verify(key, to_sign("roster", charter.roster), approval.signature):
        raise Misconfigured(f"{path}: {approval.department} has not signed this roster")
    return approval


def department(charter: roster_pb2.Charter, name: str, place: Path) -> roster_pb2.Member:
    """The department *name*; Misconfigured, blaming *place*, for anybody else."""
    for member in charter.roster.members:
        if member.name == name and member.role == roster_pb2.ROLE_NODE:
            return member
    raise Misconfigured(f"{place}: {name!r} is no department of {charter.roster.federation}")
