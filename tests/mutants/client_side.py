"""Mutants of what the client checks before it shows a number, and of the verifier of the log."""

from typing import Final

from tests.mutants.mutant import Mutant, client

CLIENT: Final[tuple[Mutant, ...]] = (
    client("shown-unverified", "a saved release is shown before it is checked", "release.py",
        "        return cls(verify(bundle, roster_fingerprint))\n",
        "        from .verify.announced import check_charter\n"
        "        from .verify.bundle import Verified\n"
        "        federation = check_charter(bundle.charter, roster_fingerprint, bundle.successors)\n"
        "        body = bundle.announcement.body\n"
        "        query = body.envelope.body.query\n"
        "        return cls(Verified(bundle.release.body.round, body.plan, query, "
        "federation.scope(query),\n"
        "                            tuple(bundle.release.body.departments), (),\n"
        "                            tuple(bundle.release.body.totals), "
        "federation.roster.policy.delta, (),\n"
        "                            bundle))\n",
        "unit/client/test_release.py::test_nothing_is_shown_that_was_not_checked"),
    client("client-signatures-skipped", "the client checks no signature", "verify/signatures.py",
        "if not signed_by(member.signing_key, to_sign(domain, body), signature):",
        "if False:",
        "unit/client/verify/test_bundle.py::test_unknown_fields_are_refused"),
    client("client-plan-believed", "the client believes a plan", "verify/bundle.py",
        "    check_plan(plan, envelope.query, table, roster.policy, "
        "federation.key.modulus.bit_length())\n",
        "",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-sensitivity-believed", "the client believes a stated sensitivity", "verify/claims.py",
        "        check_sensitivity(block, table, cells)\n",
        "",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-price-believed", "the client does not price the noise", "verify/claims.py",
        "        _check_price(plan, block)\n",
        "        pass\n",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-honest-believed",
        "the client believes how many departments are honest",
        "verify/claims.py",
        "    _check_honest(plan, table, policy)\n",
        "",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-units-believed", "the client believes a block's units", "verify/blocks.py",
        'if rational(form.centre, "centre") + step * form.shift != units.lower:',
        "if False:",
        "unit/client/verify/test_blocks.py::test_a_bent_plan_is_refused"),
    client("client-totals-believed", "the client believes the released totals", "verify/released.py",
        "if list(body.totals) != totals:",
        "if False:",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-products-believed", "the client believes the products", "verify/released.py",
        "if hashlib.sha256(products).digest() != transcript.product:",
        "if False:",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-partials-believed", "the client checks no proof of a partial", "verify/opening.py",
        "    if left != gmpy2.powmod(on_base * right, 2, key.square):\n"
        "        raise bad\n",
        "",
        "unit/client/verify/test_opening.py::test_equality_proofs_get_their_stated_verdict"),
    client("client-leaf-believed", "the log's leaf may state another price", "verify/released.py",
        'if digest("leaf", bundle.leaf) != digest("leaf", due):',
        "if False:",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-inclusion-skipped", "a release need not be in the log", "verify/released.py",
        "if inclusion.size != head.size or not verify_inclusion(\n"
        "            leaf, inclusion.index, inclusion.size, inclusion.path, head.root):",
        "if False:",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-quorum-lowered", "the client is content with fewer witnesses", "verify/checkpoint.py",
        "    if len(seen) < needed:\n",
        "    if not seen:\n",
        "unit/client/verify/test_bundle.py::test_a_checkpoint_needs_its_quorum"),
    client("client-pin-unchecked", "the client takes any federation for its own", "verify/lineage.py",
        "    if fingerprint not in digests:\n",
        "    if fingerprint not in digests:\n"
        "        fingerprint = digests[-1]\n"
        "    if False:\n",
        "unit/client/verify/test_bundle.py::test_another_pinned_roster_refuses_everything"),
    client("client-grant-unchecked", "the client does not look at grants", "verify/committed.py",
        "    _check_grant(federation, announcement, body)\n",
        "",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-links-unchecked", "the client does not look at ledger links", "verify/committed.py",
        "    _check_links(body, plan)\n",
        "",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-vintage-believed", "the client takes any vintage", "verify/announced.py",
        "if body.vintage != table.vintage:",
        "if False:",
        "unit/client/verify/test_bundle.py::test_a_planted_violation_is_refused"),
    client("client-replay-believed", "the client takes another question's release", "replayed.py",
        "    if one != other:\n",
        "    if False:\n",
        "unit/client/test_replayed.py::test_the_release_of_another_question_is_refused"),
    client("client-decodes-raw-zeros", "cells whose total is not positive are not shown", "decode/rows.py",
        "    return tuple(Row(keys, estimates) for keys, estimates in zip(cells, by_group, "
        "strict=True))\n",
        "    return tuple(Row(keys, estimates) for keys, estimates in zip(cells, by_group, "
        "strict=True)\n"
        "                 if any((each.value or 0) > 0 for each in estimates))\n",
        "unit/client/test_release.py::test_a_chart_has_every_group"),
    client("audit-roots-unchecked",
        "the verifier does not compare roots with checkpoints",
        "audit/verifier.py",
        "    if frontier.root() != head.root:\n",
        "    if False:\n",
        "unit/client/audit/test_damage.py::test_renumbering_hides_nothing"),
    client("audit-price-unchecked",
        "the verifier does not compare prices with reservations",
        "audit/rounds.py",
        "elif reserved != {(fact.population, fact.pico_loss)}:",
        "elif False:",
        "unit/client/audit/test_fold.py::test_a_broken_rule_is_found_at_its_index"),
    client("audit-budget-unchecked", "the verifier does not add up ledgers", "audit/ledgers.py",
        "if self.spent.get(population, 0) + held + price > budget:",
        "if False:",
        "unit/client/audit/test_fold.py::test_a_broken_rule_is_found_at_its_index"),
    client("audit-forks-unchecked", "the verifier does not see a ledger fork", "audit/ledgers.py",
        "            if self._hash(first + at) != links.hashes[_HASH * at:_HASH * (at + 1)]:\n",
        "            if False:\n",
        "unit/client/audit/test_fold.py::test_a_broken_rule_is_found_at_its_index"),
    client("audit-unadmitted-released",
        "the verifier does not see a release beyond the budget",
        "audit/rounds.py",
        "        elif not seen & _ADMITTED:\n",
        "        elif False:\n",
        "unit/client/audit/test_fold.py::test_a_release_beyond_the_budget_is_found"),
)
