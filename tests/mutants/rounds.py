"""Mutants of a round's checks at nodes: plans, participants, rosters, seals, proofs."""

from typing import Final

from tests.mutants.mutant import Mutant, server

ROUNDS: Final[tuple[Mutant, ...]] = (
    server("plan-believed", "a party believes the announced plan", "protocol/announcement.py",
        'if digest("plan", body.plan) != digest("plan", priced.message):',
        "if False:",
        "protocol/test_altered_rounds.py::test_an_altered_announcement_is_refused[less noise]"),
    server("vintage-believed", "any vintage may be announced", "protocol/announcement.py",
        "if body.vintage != priced.table.vintage:",
        "if False:",
        "protocol/test_altered_rounds.py::test_an_altered_announcement_is_refused[another vintage]"),
    server("catalog-believed", "any catalog may be announced", "protocol/announcement.py",
        "    pinned = (federation.name, federation.roster, federation.catalog_digest, "
        "federation.key_digest,\n"
        "              federation.key.epoch)",
        "    pinned = (federation.name, federation.roster, body.catalog, federation.key_digest,\n"
        "              federation.key.epoch)",
        "protocol/test_altered_rounds.py::test_an_altered_announcement_is_refused[another catalog]"),
    server("key-epoch-believed", "any key epoch may be announced", "protocol/announcement.py",
        "    pinned = (federation.name, federation.roster, federation.catalog_digest, "
        "federation.key_digest,\n"
        "              federation.key.epoch)",
        "    pinned = (federation.name, federation.roster, federation.catalog_digest, "
        "federation.key_digest,\n"
        "              body.key_epoch)",
        "protocol/test_altered_rounds.py::test_an_altered_announcement_is_refused"),
    server("key-believed", "any key may be announced", "protocol/announcement.py",
        "    pinned = (federation.name, federation.roster, federation.catalog_digest, "
        "federation.key_digest,\n"
        "              federation.key.epoch)",
        "    pinned = (federation.name, federation.roster, federation.catalog_digest, "
        "body.public_key,\n"
        "              federation.key.epoch)",
        "protocol/test_altered_rounds.py::test_an_altered_announcement_is_refused[another key]"),
    server("question-expired", "a question is announced after it expired", "protocol/announcement.py",
        "if body.envelope.body.expires_ms < body.announced_ms:",
        "if False:",
        "protocol/test_key_holders.py::test_key_holders_refuse_a_question_that_had_expired"),
    server("old-announcement", "an announcement counts at any time", "protocol/announcement.py",
        "if late < -MAX_SKEW_MS or late > body.deadline_ms - body.announced_ms + MAX_SKEW_MS:",
        "if False:",
        "protocol/test_altered_rounds.py::test_an_expired_question_is_refused"),
    server("early-freeze", "a round may freeze before D", "protocol/announcement.py",
        "if not priced.plan.answer_ms <= freeze <= federation.policy.round_ms:",
        "if False:",
        "protocol/test_more_attacks.py::test_an_announcement_with_impossible_times_is_refused"),
    server("any-participants",
        "departments that do not hold the table take part",
        "protocol/announcement.py",
        "    if list(participants) != sorted(set(participants)) or not set(participants) <= "
        "set(priced.table.holders):\n",
        "    if False:\n",
        "protocol/test_participants.py::test_a_minted_department_is_no_participant"),
    server("minimum-ignored-at-start", "a round begins with too few departments", "protocol/announcement.py",
        "if len(participants) < priced.plan.minimum:",
        "if False:",
        "protocol/test_key_holders.py::test_key_holders_refuse_an_announcement_to_fewer_than_the_m"
        "inimum"),
    server("minimum-ignored-at-freeze", "a roster may be below the minimum", "protocol/frozen.py",
        "if len(nodes) < priced.plan.minimum:",
        "if False:",
        "protocol/test_attacks.py::test_a_roster_of_one_department_is_not_decrypted"),
    server("copied-commitment", "a copied seal is not named", "protocol/frozen.py",
        "        if body.sealed in seen:\n",
        "        if False:\n",
        "protocol/test_more_attacks.py::test_a_copied_commitment_stops_the_key_holders_too"),
    server("roster-of-another-round", "a frozen roster of another round counts", "protocol/frozen.py",
        "if frozen.body.round != round_id(announcement):",
        "if False:",
        "protocol/test_key_holders.py::test_a_frozen_roster_of_another_round_is_not_decrypted"),
    server("department-twice", "a department may be in a roster twice", "protocol/frozen.py",
        "if nodes != sorted(set(nodes)):",
        "if False:",
        "protocol/test_more_attacks.py::test_an_altered_roster_is_revealed_to_by_nobody_and_decryp"
        "ted_by_nobody"),
    server("reservation-unchecked", "a commitment need not reserve the price", "protocol/commitment.py",
        "    _check_reservation(body, priced)\n",
        "",
        "protocol/test_more_attacks.py::test_an_altered_roster_is_revealed_to_by_nobody_and_decryp"
        "ted_by_nobody"),
    server("clear-fields-unchecked",
        "a commitment may be for another round or plan",
        "protocol/commitment.py",
        'if digest("clear", expected) != proof_context(body):',
        "if False:",
        "protocol/test_more_attacks.py::test_an_altered_roster_is_revealed_to_by_nobody_and_decryp"
        "ted_by_nobody"),
    server("context-unbound", "proofs of plaintexts are bound to nothing", "protocol/commitment.py",
        '    return digest("clear", _unsealed(clear))\n',
        "    return bytes(32)\n",
        "protocol/test_stolen_ciphertexts.py::test_a_proof_for_other_clear_fields_is_refused"),
    server("plaintext-proof-skipped", "ciphertexts need no proof of plaintexts", "protocol/reveal.py",
        "        plaintext_proof.verify(federation.key, proof_context(clear), data, "
        "proofs.plaintext_proof(body.proof))\n",
        "        pass\n",
        "protocol/test_stolen_ciphertexts.py::test_a_shifted_copy_of_an_old_ciphertext_is_refused"),
    server("seal-unchecked", "a reveal need not open its commitment", "protocol/reveal.py",
        "seal(clear, body.salt, body.ciphertexts, body.proof) != clear.sealed:",
        "False:",
        "protocol/test_stolen_ciphertexts.py::test_a_reveal_that_does_not_open_its_commitment_is_r"
        "efused"),
    server("roster-digest-unchecked", "a reveal to another roster counts", "protocol/reveal.py",
        "if body.round != frozen.body.round or body.frozen != frozen_digest(frozen):",
        "if False:",
        "protocol/test_attacks.py::test_two_rosters_shown_to_two_nodes_are_not_decrypted"),
    server("ciphertexts-unchecked", "ciphertexts may be out of range", "crypto/ciphertexts.py",
        "if ciphertext >= bound or not any(ciphertext):",
        "if False:",
        "unit/server/crypto/test_ciphertexts.py::test_another_length_or_range_is_refused"),
    server("product-gcd-skipped", "a factor of the modulus may hide in a product", "crypto/aggregation.py",
        'if gmpy2.gcd(int.from_bytes(ciphertexts.fold(product, 1, public), "big"), '
        "public.modulus) != 1:",
        "if False:",
        "unit/server/crypto/test_aggregation.py::test_a_factor_of_the_modulus_is_found_and_named"),
    server("plaintext-equation-skipped", "any proof of plaintexts verifies", "crypto/plaintext_proof.py",
        "    if not holds:\n",
        "    if False:\n",
        "unit/server/crypto/test_plaintext_proof.py::test_a_copy_under_another_context_is_refused"),
    server("equality-equation-skipped", "any partial decryption verifies", "crypto/equality_proof.py",
        "if base_power != on_base or left != on_product:",
        "if base_power != on_base:",
        "unit/server/crypto/test_equality_proof.py::test_a_wrong_partial_is_refused_even_with_a_pr"
        "oof_made_for_it"),
    server("partial-proof-skipped", "a partial decryption needs no proof", "protocol/decryption.py",
        '        equality_proof.verify(federation.key, body.share, digest("partial", bare), '
        "products, body.partials,\n"
        "                              proofs.equality_proof(body.proof))\n",
        "",
        "protocol/test_evidence.py::test_a_wrong_partial_decryption_is_refused_and_names_its_holder"),
    server("partial-of-another-share", "a key holder may use a colleague's share", "protocol/decryption.py",
        "if body.share != member.share:",
        "if False:",
        "protocol/test_evidence.py::test_a_partial_under_a_colleagues_share_is_refused"),
    server("partial-of-another-transcript",
        "a partial of another transcript counts",
        "protocol/decryption.py",
        "if (body.round, body.transcript, body.product) != ours:",
        "if False:",
        "protocol/test_coordinator.py::test_a_partial_of_another_transcript_is_refused_although_it"
        "s_product_is_the_same"),
    server("minimum-of-the-operator", "an operator's own minimum does not count", "node/session.py",
        "if departments < self._accept_minimum:",
        "if False:",
        "protocol/test_attacks.py::test_a_node_whose_operator_asks_for_more_departments_declines"),
    server("round-without-end", "a node reveals however long a round was kept open", "node/session.py",
        "        check_alive(record.announcement.body, now_ms)\n", "",
        "protocol/test_attacks.py::test_a_round_that_was_kept_open_too_long_is_never_revealed"),
    server("second-roster", "a node reveals to a second roster", "node/rounds.py",
        "sa.or_(_rounds.c.frozen.is_(None), _rounds.c.frozen == frozen))).rowcount",
        "sa.true())).rowcount",
        "protocol/test_attacks.py::test_a_node_never_reveals_to_a_second_roster"),
    server("roster-without-us", "a node reveals to a roster without its commitment", "node/session.py",
        'if ours is None or digest("commitment", ours.body) != digest("commitment", '
        "record.commitment.body):",
        "if False:",
        "protocol/test_attacks.py::test_a_roster_without_our_own_commitment_is_not_revealed_to"),
    server("secrets-kept", "a node keeps its ciphertexts after the round", "node/rounds.py",
        "state=State.DONE, salt=None, ciphertexts=None, proof=None)",
        "state=State.DONE)",
        "protocol/test_round.py::test_a_node_that_sees_the_end_of_a_round_in_the_log_deletes_its_s"
        "ecrets"),
    server("end-tried-once", "a death that the disk refused is not stored until the next start",
        "coordinator/conduct.py",
        "            asyncio.get_running_loop().call_later(AGAIN_S, self._die, live, refused)\n",
        "",
        "crash/test_sweep.py::test_a_round_ends_though_the_disk_refuses_its_end_too"),
    server("out-of-force", "a node works under a charter that the log put out of force", "node/session.py",
        "        priced = check_announcement(self.federation, announcement)\n"
        "        self.follower.check_in_force(self.federation.roster)\n",
        "        priced = check_announcement(self.federation, announcement)\n",
        "protocol/test_succession.py::test_who_folded_a_succession_and_lacks_its_charter_takes_par"
        "t_in_nothing"),
)
