"""Verification of one release, offline, from its bundle and the pinned roster's fingerprint alone.

The ten steps of a round leave signatures, hashes and proofs; this module walks through them in order
and returns numbers only if every one holds. It shares the contract with the servers, and no code.
"""

from dataclasses import dataclass, field

from cotally.v1 import catalog_pb2, log_pb2, query_pb2, round_pb2
from cotally.v1.canonical import NotCanonical
from cotally.v1.refusals import Refusal, Refused

from ..privacy import Account
from .announced import check_announcement, check_charter
from .claims import check_plan
from .committed import analyst_and_purpose, check_frozen, missing
from .released import check_logged, check_release, check_transcript, open_totals


@dataclass(frozen=True, slots=True)
class Verified:
    """What a bundle proves.

    `totals` are the noised, refined integers, one per coordinate of the plan. `checks` are (name,
    sentence) pairs that tell people what was checked.
    """

    round: bytes
    plan: round_pb2.Plan
    query: query_pb2.Query
    table: catalog_pb2.Table
    departments: tuple[str, ...]
    missing: tuple[str, ...]
    totals: tuple[int, ...]
    delta: str  # the federation's, decimal; 0 where the population counts in pure epsilon
    checks: tuple[tuple[str, str], ...]
    bundle: log_pb2.Bundle = field(repr=False)


def verify(bundle: log_pb2.Bundle, roster_fingerprint: bytes) -> Verified:
    """Return what *bundle* proves; raise Refused, naming the culprit, at the first thing it does not.

    *roster_fingerprint* is digest("roster", Roster), 32 bytes, pinned from a trusted place. What a bundle
    cannot prove: that departments told the truth about their data, and that the products are exactly the
    product of the departments' ciphertexts; for that it has the signatures of t key holders, who each
    recomputed it, and of whom at most t - 1 may be hostile.
    """
    try:
        return _verify(bundle, roster_fingerprint)
    except NotCanonical as error:
        raise Refused(Refusal.MALFORMED, f"the bundle has no canonical form: {error}") from error


def _verify(bundle: log_pb2.Bundle, fingerprint: bytes) -> Verified:
    checks: list[tuple[str, str]] = []
    federation = check_charter(bundle.charter, fingerprint, bundle.successors)
    roster = federation.roster
    how = "is the pinned one" if federation.fingerprint == fingerprint else (
        "and the pinned one are of one chain, which every department approved step by step")
    checks.append(("roster", f"the roster of {roster.federation!r} (epoch {roster.epoch}) {how}; "
                             "catalog and public key are its own"))

    announcement = bundle.announcement.body
    round_ = check_announcement(federation, bundle.charter.public_key, bundle.announcement)
    envelope, plan = announcement.envelope.body, announcement.plan
    table = federation.scope(envelope.query)
    checks.append(("question", f"asked and signed by {analyst_and_purpose(envelope)}; "
                               f"announced by {federation.members.coordinator} as round {round_.hex()[:16]}"))

    check_plan(plan, envelope.query, table, roster.policy, federation.key.modulus.bit_length())
    checks.append(("plan", f"the noise of any {plan.honest} honest departments is worth the stated price"))

    departments = check_frozen(federation, announcement, round_, bundle.frozen)
    checks.append(("departments", f"{len(departments)} departments committed to this plan, each with its "
                                  f"grant and its ledger's reservation: {', '.join(departments)}"))

    check_transcript(bundle.transcript, bundle.frozen.body, bundle.products)
    checks.append(("transcript", "roster, reveals and product are those of one transcript"))

    totals, holders = open_totals(
        federation, plan, len(departments), bundle.transcript, bundle.products, bundle.partials)
    checks.append(("decryption", f"opened by {len(holders)} of {federation.key.key_holders} key holders, "
                                 f"each with a proof that verifies: {', '.join(holders)}"))

    absent = missing(table, departments)
    check_release(federation, bundle.release, bundle.transcript, departments, absent, totals)
    checks.append(("totals", f"the {len(totals)} released totals are what the key holders opened"))

    head, witnesses = check_logged(federation, announcement, bundle)
    checks.append(("log", f"entry {bundle.inclusion.index} of a log of {head.size}, cosigned by "
                          f"{len(witnesses)} witnesses"))
    account = Account.of(plan.population, federation.catalog, roster.policy.delta)
    return Verified(
        round=round_, plan=plan, query=envelope.query, table=table, departments=departments, missing=absent,
        totals=tuple(totals), delta=account.delta, checks=tuple(checks), bundle=bundle)
