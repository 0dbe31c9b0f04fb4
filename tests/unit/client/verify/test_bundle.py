"""A release is shown only if every statement in its bundle holds: each violation is planted and refused.

Planted violations are signed by whoever could sign them, and everything after them is consistent, so
that one check alone stands in the way. `test_every_field` changes what nobody signed again.
"""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from cotally.client.verify.bundle import verify
from cotally.client.verify.claims import PICO
from cotally.v1 import log_pb2, query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.bundle import HOLDERS, NODES, NOW, Round, private_key, question, sign

R = Refusal


def test_an_honest_bundle_is_verified() -> None:
    verified = verify(*Round().bundle())
    assert verified.departments == NODES
    assert verified.missing == ()
    assert verified.totals == tuple(3 * (1000 * k - 3000) + 21 for k in range(12))
    assert len(verified.checks) == 8


@pytest.mark.parametrize("holders", [HOLDERS[1:], HOLDERS[::2], HOLDERS])
def test_any_threshold_of_key_holders_will_do(holders: tuple[str, ...]) -> None:
    assert verify(*Round(holders=holders).bundle()).totals[3] == 21


def test_a_laplace_release_is_verified() -> None:
    assert verify(*Round(query=question(query_pb2.MECHANISM_LAPLACE)).bundle()).plan.honest == 1


@pytest.mark.parametrize("absent_from_the_start", [False, True])
def test_holders_without_data_in_the_numbers_are_named(absent_from_the_start: bool) -> None:
    def plant(stage: str, body: Any) -> None:
        if stage == "catalog":
            body.tables[0].min_departments = 2
        if stage == "plan":
            body.minimum = 2
            body.honest = 1
            for block in body.blocks:
                block.pico_loss *= 2
            body.pico_loss *= 2
        if stage == "announcement" and absent_from_the_start:
            body.participants.remove("north")
        if stage == "frozen" and not absent_from_the_start:
            del body.commitments[1]
    verified = verify(*Round().bundle(plant))
    assert (verified.departments, verified.missing) == (("east", "west"), ("north",))


def at(stage: str, change: Callable[[Any], object]) -> Callable[[str, Message], None]:
    """Return a tamper that makes *change* once in a round, to the first body of *stage*."""
    done: list[str] = []

    def plant(current: str, body: Message) -> None:
        if current == "catalog":  # a round begins
            done.clear()
        if current == stage and not done:
            done.append(stage)
            change(body)
    return plant


def setting(stage: str, **values: object) -> Callable[[str, Message], None]:
    """Return a tamper that sets fields of the first body of *stage*."""
    def change(body: Any) -> None:
        for name, value in values.items():
            setattr(body, name, value)
    return at(stage, change)


def halve_noise(body: round_pb2.Plan) -> None:
    for block in body.blocks:
        block.scale.exponent = -1


def cheaper(body: round_pb2.Plan) -> None:
    body.blocks[1].pico_loss -= 1


def understated(body: round_pb2.Plan) -> None:
    """Half of what one person can change, at noise that is worth its price."""
    body.blocks[1].l2_squared = str(int(body.blocks[1].l2_squared) // 2)


def same_alias_twice(body: query_pb2.Envelope) -> None:
    body.query.statistics[1].alias = "n"


def certain(body: query_pb2.Envelope) -> None:
    body.query.privacy.confidence = "1"


def shifted_blocks(body: round_pb2.Plan) -> None:
    for block in body.blocks:
        block.offset += 1


def total_plus_one(body: round_pb2.ReleaseBody) -> None:
    body.totals[0] += 1


def copy_seal(body: round_pb2.FrozenRoster) -> None:
    body.commitments[1].body.sealed = body.commitments[0].body.sealed
    body.commitments[1].signature = sign("north", "commitment", body.commitments[1].body)


def strangers_commitment(body: round_pb2.FrozenRoster) -> None:
    body.commitments[2].body.node = "zoo"
    body.commitments[2].signature = sign("zoo", "commitment", body.commitments[2].body)


def relabel_checkpoint(body: log_pb2.Checkpoint) -> None:
    body.text = body.text.replace("cotally/test", "cotally/tset")


def another_root(body: log_pb2.Checkpoint) -> None:
    body.text = f"cotally/test\n3\n{base64.b64encode(bytes(32)).decode()}\n"


def swap_holders(body: log_pb2.Bundle) -> None:
    """One key holder's partial, counted again as if it were another's."""
    copied = body.partials[1]
    copied.CopyFrom(body.partials[0])


def wrong_partial(body: round_pb2.PartialBody) -> None:
    width = len(body.partials) // 3
    body.partials = body.partials[width:2 * width] + body.partials[:width] + body.partials[2 * width:]


def ledger_gap(body: round_pb2.CommitmentBody) -> None:
    body.links[1].length = 3


def ledger_fork(body: round_pb2.CommitmentBody) -> None:
    body.links[0].pico_loss += 1


def borrowed_ledger(body: round_pb2.CommitmentBody) -> None:
    body.links[0].node = "west"
    body.links[1].previous = digest("ledger", body.links[0])


def other_price(body: round_pb2.CommitmentBody) -> None:
    body.links[1].pico_loss -= 1


def empty_grant_list(body: query_pb2.Grant) -> None:
    del body.tables[:]


def narrow_grant(body: query_pb2.Grant) -> None:
    body.columns[:] = ["people.income", "people.sex"]  # not the column of the condition


def counts_only(body: query_pb2.Grant) -> None:
    body.statistics.append(query_pb2.STATISTIC_KIND_COUNT_ROWS)


def reveal_of_a_stranger(body: round_pb2.Transcript) -> None:
    body.reveals[0].node = "zoo"


def product_of_a_subset(body: round_pb2.Transcript) -> None:
    body.product = bytes(32)


def same_root_elsewhere(body: log_pb2.Bundle) -> None:
    body.inclusion.index, body.inclusion.size = 1, 2  # this path leads to the same root


PLANTED = {
    "roster that names a member twice": (
        at("roster", lambda body: body.members.append(body.members[1])), R.CREDENTIALS),
    "roster with two coordinators": (at("roster", lambda body: body.members.add(
        name="zoo", role=roster_pb2.ROLE_COORDINATOR)), R.CREDENTIALS),
    "question to another federation": (setting("envelope", federation="tset"), R.CREDENTIALS),
    "question under another roster": (setting("envelope", roster=bytes(32)), R.CREDENTIALS),
    "question of a stranger": (setting("envelope", analyst="mallory"), R.CREDENTIALS),
    "question of a member that is no analyst": (setting("envelope", analyst="north"), R.CREDENTIALS),
    "question that had expired": (setting("envelope", expires_ms=NOW - 1), R.EXPIRED),
    "question without an id": (setting("envelope", query_id=b""), R.MALFORMED),
    "question for nothing": (at("envelope", lambda body: body.query.ClearField("statistics")), R.MALFORMED),
    "question with one alias twice": (at("envelope", same_alias_twice), R.MALFORMED),
    "question with an alias like a key": (
        at("envelope", lambda body: setattr(body.query.statistics[0], "alias", "sex")), R.MALFORMED),
    "question for certainty": (at("envelope", certain), R.BAD_PRIVACY),
    "announcement of another version": (setting("announcement", version=2), R.EQUIVOCATION),
    "announcement of another federation": (setting("announcement", federation="tset"), R.EQUIVOCATION),
    "announcement with another catalog": (setting("announcement", catalog=bytes(32)), R.EQUIVOCATION),
    "announcement of another key": (setting("announcement", public_key=bytes(32)), R.EQUIVOCATION),
    "announcement of another key epoch": (setting("announcement", key_epoch=2), R.EQUIVOCATION),
    "announcement of another vintage": (setting("announcement", vintage="2026-11"), R.EQUIVOCATION),
    "announcement with participants out of order": (
        at("announcement", lambda body: body.participants.reverse()), R.MALFORMED),
    "announcement to a department without the table": (
        at("announcement", lambda body: body.participants.append("zoo")), R.MALFORMED),
    "announcement with a late deadline": (setting("announcement", deadline_ms=NOW + 5001), R.MALFORMED),
    "announcement with a short nonce": (setting("announcement", nonce=b"1"), R.MALFORMED),

    "roster with another threshold than its key": (
        at("roster", lambda body: setattr(body.policy, "threshold", 1)), R.MALFORMED),
    "plan with half the noise": (at("plan", halve_noise), R.BAD_PROOF),
    "plan without noise": (at("plan", lambda body: body.blocks[0].ClearField("scale")), R.BAD_PROOF),
    "plan with noise beyond every float": (
        at("plan", lambda body: setattr(body.blocks[0].scale, "exponent", 2000)), R.BAD_PROOF),
    "plan with a block one pico-rho too cheap": (at("plan", cheaper), R.BAD_PROOF),
    "plan cheaper than its blocks": (at("plan", lambda body: setattr(
        body, "pico_loss", body.pico_loss - PICO // 1000)), R.PLAN_MISMATCH),
    "plan that trusts everybody": (setting("plan", honest=3), R.BAD_PROOF),
    "plan that trusts nobody": (setting("plan", honest=0), R.BAD_PROOF),
    "plan for two departments": (setting("plan", minimum=2), R.PLAN_MISMATCH),
    "plan of another population": (setting("plan", population="pupils"), R.PLAN_MISMATCH),
    "plan with another mechanism": (
        setting("plan", mechanism=query_pb2.MECHANISM_LAPLACE), R.PLAN_MISMATCH),
    "plan without blocks": (at("plan", lambda body: body.ClearField("blocks")), R.PLAN_MISMATCH),
    "plan that begins with a gap": (at("plan", shifted_blocks), R.PLAN_MISMATCH),
    "plan with one block twice": (
        at("plan", lambda body: setattr(body.blocks[2], "column", "")), R.PLAN_MISMATCH),
    "plan with a refinement of 0": (
        at("plan", lambda body: setattr(body.blocks[2], "refinement", 0)), R.MALFORMED),
    "plan that claims nobody matters": (
        at("plan", lambda body: setattr(body.blocks[0], "l2_squared", "0")), R.BAD_PROOF),
    "plan that understates a person": (at("plan", understated), R.BAD_PROOF),
    "plan with a gap": (at("plan", lambda body: setattr(body.blocks[2], "offset", 7)), R.PLAN_MISMATCH),
    "plan with too few cells": (
        at("plan", lambda body: setattr(body.blocks[3], "cells", 2)), R.PLAN_MISMATCH),
    "plan with too few ciphertexts": (
        at("plan", lambda body: setattr(body.packing, "ciphertexts", 1)), R.PLAN_MISMATCH),
    "plan with plaintexts as long as the modulus": (
        at("plan", lambda body: setattr(body.packing, "plaintext_bits", 1024)), R.PLAN_MISMATCH),
    "plan with a run of slots for nobody": (
        at("plan", lambda body: body.packing.runs.add(cells=1, slot_bits=8, bias=1)), R.PLAN_MISMATCH),
    "plan with a run that is too short": (
        at("plan", lambda body: setattr(body.packing.runs[0], "cells", 1)), R.PLAN_MISMATCH),
    "plan with a slot of no bits": (
        at("plan", lambda body: setattr(body.packing.runs[3], "slot_bits", 0)), R.PLAN_MISMATCH),
    "plan with a bias that no slot holds": (
        at("plan", lambda body: setattr(body.packing.runs[3], "bias", 1 << 48)), R.PLAN_MISMATCH),
    "plan with slots wider than the modulus": (
        at("plan", lambda body: setattr(body.packing.runs[1], "slot_bits", 300)), R.PLAN_MISMATCH),
    "plan with a sensitivity that is no number": (
        at("plan", lambda body: setattr(body.blocks[0], "l2_squared", "1e999999999")), R.MALFORMED),

    "commitment of a stranger": (at("frozen", strangers_commitment), R.CREDENTIALS),
    "commitment to another round": (setting("commitment", round=bytes(32)), R.EQUIVOCATION),
    "commitment under another roster": (setting("commitment", roster=bytes(32)), R.EQUIVOCATION),
    "commitment under another key": (setting("commitment", public_key=bytes(32)), R.EQUIVOCATION),
    "commitment to another plan": (setting("commitment", plan=bytes(32)), R.PLAN_MISMATCH),
    "commitment to fewer ciphertexts": (setting("commitment", ciphertexts=2), R.PLAN_MISMATCH),
    "commitment that seals nothing": (setting("commitment", sealed=b""), R.MALFORMED),
    "commitment copied": (at("frozen", copy_seal), R.EQUIVOCATION),
    "ledger with a gap": (at("commitment", ledger_gap), R.EQUIVOCATION),
    "ledger that forks": (at("commitment", ledger_fork), R.EQUIVOCATION),
    "ledger borrowed from a colleague": (at("commitment", borrowed_ledger), R.PLAN_MISMATCH),
    "ledger that reserves less": (at("commitment", other_price), R.PLAN_MISMATCH),
    "ledger that reserves nothing": (
        at("commitment", lambda body: body.ClearField("links")), R.PLAN_MISMATCH),
    "grant of another department": (setting("grant", department="west"), R.NOT_ALLOWED),
    "grant of an earlier federation": (setting("grant", founding=bytes(32)), R.NOT_ALLOWED),
    "grant with a budget of nothing": (at("grant", lambda body: body.budgets.add(
        population="residents", purpose="statistics")), R.MALFORMED),
    "grant with two budgets for one purpose": (at("grant", lambda body: [
        body.budgets.add(population="residents", purpose="statistics", pico_loss=amount)
        for amount in (10**15, 10**16)]), R.MALFORMED),
    "grant for another analyst": (setting("grant", analyst="mallory"), R.NOT_ALLOWED),
    "grant for another purpose": (
        at("grant", lambda body: body.purposes.__setitem__(0, "marketing")), R.NOT_ALLOWED),
    "grant for no table": (at("grant", empty_grant_list), R.NOT_ALLOWED),
    "grant without the condition's column": (at("grant", narrow_grant), R.NOT_ALLOWED),
    "grant for counts only": (at("grant", counts_only), R.NOT_ALLOWED),
    "grant that is not yet valid": (setting("grant", not_before_ms=NOW + 1), R.NOT_ALLOWED),
    "grant that has expired": (setting("grant", not_after_ms=NOW - 1), R.NOT_ALLOWED),

    "frozen roster of another round": (setting("frozen", round=bytes(32)), R.EQUIVOCATION),
    "frozen roster below the minimum": (
        at("frozen", lambda body: body.commitments.pop()), R.TOO_FEW_DEPARTMENTS),
    "frozen roster with a department twice": (
        at("frozen", lambda body: body.commitments.append(body.commitments[2])), R.MALFORMED),
    "transcript of another round": (setting("transcript", round=bytes(32)), R.EQUIVOCATION),
    "transcript of another roster": (setting("transcript", frozen=bytes(32)), R.EQUIVOCATION),
    "transcript without a reveal": (at("transcript", lambda body: body.reveals.pop()), R.EQUIVOCATION),
    "transcript with a stranger's reveal": (at("transcript", reveal_of_a_stranger), R.EQUIVOCATION),
    "transcript with half a hash": (
        at("transcript", lambda body: setattr(body.reveals[0], "reveal", bytes(16))), R.MALFORMED),
    "transcript of another product": (at("transcript", product_of_a_subset), R.EQUIVOCATION),
    "partial of another transcript": (setting("unproved", transcript=bytes(32)), R.EQUIVOCATION),
    "partial of another product": (setting("unproved", product=bytes(32)), R.EQUIVOCATION),
    "partial of another round": (setting("unproved", round=bytes(32)), R.EQUIVOCATION),
    "partial with another share": (setting("unproved", share=3), R.BAD_PROOF),
    "partial whose parts are swapped": (at("partial", wrong_partial), R.BAD_PROOF),
    "partial without proof": (at("partial", lambda body: body.ClearField("proof")), R.BAD_PROOF),
    "one key holder counted twice": (at("bundle", swap_holders), R.MALFORMED),
    "one key holder alone": (at("bundle", lambda body: body.partials.pop()), R.TOO_FEW_KEY_HOLDERS),
    "release of another total": (at("release", total_plus_one), R.BAD_PROOF),
    "release without a total": (at("release", lambda body: body.totals.pop()), R.BAD_PROOF),
    "release of another round": (setting("release", round=bytes(32)), R.EQUIVOCATION),
    "release of another transcript": (setting("release", transcript=bytes(32)), R.EQUIVOCATION),
    "release that hides a department": (at("release", lambda body: body.departments.pop()), R.EQUIVOCATION),
    "release that invents a dropout": (
        at("release", lambda body: body.missing.append("zoo")), R.EQUIVOCATION),

    "leaf with a lower price": (setting("leaf", pico_loss=1), R.EQUIVOCATION),
    "leaf of another population": (setting("leaf", population="pupils"), R.EQUIVOCATION),
    "leaf of another analyst": (setting("leaf", analyst="mallory"), R.EQUIVOCATION),
    "leaf of another purpose": (setting("leaf", purpose="marketing"), R.EQUIVOCATION),
    "leaf of another transcript": (setting("leaf", transcript=bytes(32)), R.EQUIVOCATION),
    "inclusion at another place": (at("bundle", same_root_elsewhere), R.BAD_PROOF),
    "checkpoint of another log": (at("checkpoint", relabel_checkpoint), R.MALFORMED),
    "checkpoint of another tree": (at("checkpoint", another_root), R.BAD_PROOF),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_refused(name: str) -> None:
    plant, refusal = PLANTED[name]
    with pytest.raises(Refused) as caught:
        verify(*Round().bundle(plant))
    assert caught.value.refusal == refusal, caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name, sentence", [  # a later check would refuse these too, less clearly
    ("plan of another population", "another population"),
    ("frozen roster of another round", "the frozen roster is of another round"),
])
def test_the_first_check_names_the_culprit(name: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        verify(*Round().bundle(PLANTED[name][0]))


def test_a_department_that_was_not_asked_cannot_commit() -> None:
    def plant(stage: str, body: Any) -> None:
        if stage == "plan":
            body.minimum = 2
            body.honest = 1
            for block in body.blocks:
                block.pico_loss *= 2
            body.pico_loss *= 2
        if stage == "catalog":
            body.tables[0].min_departments = 2
        if stage == "announcement":
            body.participants.remove("west")
        if stage == "frozen":
            uninvited = body.commitments.add()
            uninvited.CopyFrom(body.commitments[1])
            inside = uninvited.body
            inside.node = inside.grant.body.department = "west"
            inside.sealed = bytes(32)
            for link in inside.links:
                link.node = "west"
            inside.links[1].previous = digest("ledger", inside.links[0])
            inside.grant.signature = sign("west", "grant", inside.grant.body)
            uninvited.signature = sign("west", "commitment", inside)
    with pytest.raises(Refused, match="'west' is no participant"):
        verify(*Round().bundle(plant))


@pytest.mark.parametrize("share", [0, 4])
def test_a_share_that_the_key_does_not_have_is_refused(share: int) -> None:
    def plant(stage: str, body: Any) -> None:
        if stage == "roster":
            next(member for member in body.members if member.name == HOLDERS[0]).share = share
        if stage == "unproved" and body.key_holder == HOLDERS[0]:
            body.share = share
    with pytest.raises(Refused, match="not its own"):
        verify(*Round().bundle(plant))


def test_laplace_noise_below_its_epsilon_is_refused() -> None:
    with pytest.raises(Refused, match="too small for its epsilon"):
        verify(*Round(query=question(query_pb2.MECHANISM_LAPLACE)).bundle(setting("plan", epsilon="0.799")))


def test_another_pinned_roster_refuses_everything() -> None:
    bundle, fingerprint = Round().bundle()
    with pytest.raises(Refused, match="not the pinned one"):
        verify(bundle, bytes([fingerprint[0] ^ 1]) + fingerprint[1:])


def test_a_coordinators_own_federation_is_not_the_pinned_one() -> None:
    def forge(stage: str, body: Any) -> None:
        if stage == "roster":
            for member in body.members:
                if member.name in NODES:
                    member.signing_key = private_key("board").public_key().public_bytes_raw()
    _, pinned = Round().bundle()
    forged, _ = Round().bundle(lambda stage, body: None)
    roster = forged.charter.roster
    forge("roster", roster)
    with pytest.raises(Refused, match="not the pinned one"):
        verify(forged, pinned)


@pytest.mark.parametrize("witnesses, accepted", [(6, True), (5, True), (4, False), (0, False)])
def test_a_checkpoint_needs_its_quorum(witnesses: int, accepted: bool) -> None:
    bundle, fingerprint = Round(witnesses=(NODES + HOLDERS)[:witnesses]).bundle()
    if accepted:
        verify(bundle, fingerprint)
    else:
        with pytest.raises(Refused, match="witnesses cosigned") as caught:
            verify(bundle, fingerprint)
        assert caught.value.refusal == R.NOT_WITNESSED


@pytest.mark.parametrize("stranger", ["analyst", "board", "zoo"])
def test_only_nodes_and_key_holders_are_witnesses(stranger: str) -> None:
    with pytest.raises(Refused, match="no witness"):
        verify(*Round(witnesses=(*NODES, *HOLDERS[:1], stranger)).bundle())


def test_nobody_witnesses_twice() -> None:
    with pytest.raises(Refused, match="twice"):
        verify(*Round(witnesses=(*NODES, *HOLDERS[:2], "east")).bundle())


def test_unknown_fields_are_refused() -> None:
    bundle, fingerprint = Round().bundle()
    release = bundle.release.body.SerializeToString() + b"\xfa\x01\x01x"
    bundle.release.body.ParseFromString(release)
    with pytest.raises(Refused, match="canonical"):
        verify(bundle, fingerprint)


def test_an_approval_is_a_departments_own() -> None:
    bundle, fingerprint = Round().bundle()
    bundle.charter.approvals[0].CopyFrom(roster_pb2.Approval(
        department="east", signature=sign("north", "roster", bundle.charter.roster)))
    assert digest("roster", bundle.charter.roster) == fingerprint
    with pytest.raises(Refused, match="roster is not signed by the department 'east'"):
        verify(bundle, fingerprint)


def test_a_frozen_roster_is_called_so_where_its_signature_is_wrong() -> None:
    bundle, fingerprint = Round().bundle()
    bundle.frozen.signature = bytes(64)
    with pytest.raises(Refused, match="the frozen roster is not signed by the coordinator"):
        verify(bundle, fingerprint)
