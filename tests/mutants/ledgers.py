"""Mutants of ledgers: what is charged, when, and what the log believes of it."""

from typing import Final

from tests.mutants.mutant import Mutant, server

LEDGERS: Final[tuple[Mutant, ...]] = (
    server("ledger-unlimited", "a ledger spends more than its budget", "store/book.py",
        "if pico_loss > self.left(population):",
        "if False:",
        "unit/server/ledger/test_ledger.py::test_what_is_written_beside_an_entry_shares_its_fate"),
    server("ledger-one-too-many", "a ledger spends one price more than its budget", "store/book.py",
        "if pico_loss > self.left(population):",
        "if not self.left(population):",
        "unit/server/ledger/test_ledger.py::test_what_is_written_beside_an_entry_shares_its_fate"),
    server("reservation-free", "a reservation costs nothing until it is committed", "store/book.py",
        "        self.spent[population] = self.spent.get(population, 0) + pico_loss\n"
        "        self.rounds[round_] = Reservation(population, pico_loss, Kind.RESERVE)",
        "        self.rounds[round_] = Reservation(population, pico_loss, Kind.RESERVE)",
        "unit/server/ledger/test_ledger.py::test_a_repeat_gets_the_same_entry_and_another_price_is"
        "_refused"),
    server("not-durable", "an entry is not on disk when `reserve` returns", "store/database.py",
        'synchronous=FULL"',
        'synchronous=OFF"',
        "unit/server/store/test_database.py::test_a_new_file_is_durable_and_private"),
    server("race-for-the-last-budget", "a writer does not see what others wrote", "store/database.py",
        '"BEGIN" if is_reading else "BEGIN IMMEDIATE"',
        '"BEGIN"',
        "unit/server/store/test_database.py::test_what_a_transaction_read_still_holds_when_it_writes"),
    server("charge-after-reading", "data is measured before its price is on disk", "node/service.py",
        "            clear = session.reserve(decision, self._sent.head())\n",
        "            await asyncio.to_thread(measuring._engine.measure, decision.priced.query,\n"
        "                                    decision.priced.table, decision.priced.plan, bytes(32))\n"
        "            clear = session.reserve(decision, self._sent.head())\n",
        "protocol/test_order.py::test_the_price_is_on_disk_before_a_record_is_read"),
    server("uncharged-retry", "a question asked again replaces its first round", "node/rounds.py",
        "db.execute(_insert(round_, announcement, State.RESERVED))",
        'db.execute(_insert(round_, announcement, State.RESERVED).prefix_with("OR REPLACE"))',
        "protocol/test_altered_rounds.py::test_a_replayed_envelope_is_refused_by_nodes_and_key_holders"),
    server("measured-twice", "a second measurement replaces the first", "node/rounds.py",
        "_rounds.c.round == round_, _rounds.c.state == State.RESERVED)).rowcount",
        "_rounds.c.round == round_)).rowcount",
        "protocol/test_more_attacks.py::test_a_round_that_ended_while_its_data_was_measured_stores"
        "_nothing"),
    server("lost-round-measured-again",
        "a round whose measurement was lost is measured again",
        "node/session.py",
        "if self._ledger.reserves(round_id(announcement)):",
        "if False:",
        "protocol/test_recovery.py::test_a_round_whose_measurement_was_lost_is_not_measured_again"),
    server("interrupted-round-resumed",
        "a round that stopped before its commitment goes on",
        "node/session.py",
        "if record is not None and record.commitment is None:",
        "if False:",
        "protocol/test_more_attacks.py::test_opening_a_round_and_paying_for_it_are_one"),
    server("head-unchecked", "a node does not compare its ledger with the log", "node/session.py",
        "self._ledger.check_logged(*logged)",
        "pass",
        "protocol/test_evidence.py::test_a_ledger_restored_from_a_backup_stops_its_node"),
    server("fork-beside-us",
        "a node pays for rounds with a department whose ledger forks",
        "node/session.py",
        "        if forked:\n",
        "        if False:\n",
        "protocol/test_more_attacks.py::test_nobody_spends_for_a_round_with_a_department_whose_led"
        "ger_forks"),
    server("recover-burns-nothing",
        "a restored ledger goes on with the budget that it forgot to spend",
        "ops/recover.py",
        "amount = unlogged.get(Account.of(population, pure), unknown)",
        "amount = unlogged.get(Account.of(population, pure), 0)",
        "protocol/test_recovery.py::test_a_restored_ledger_takes_part_again_only_after_it_burned_t"
        "he_doubt"),
    server("fork-accepted", "a ledger link may differ from the logged one", "audit/chain.py",
        "if link.length <= known and self.hashes[link.length - 1] != hash_:",
        "if False:",
        "unit/server/audit/test_chains.py::test_links_that_do_not_continue_it_are_refused_and_logg"
        "ed_as_a_fork"),
    server("links-from-nowhere", "ledger links need not continue the logged entry", "audit/chain.py",
        "if first > 1 and links[0].previous != self.hashes[first - 2]:",
        "if False:",
        "unit/server/audit/test_chains.py::test_links_that_do_not_continue_it_are_refused_and_logg"
        "ed_as_a_fork"),
    server("links-with-a-gap", "ledger links may leave entries out", "audit/chain.py",
        "if first > known + 1:",
        "if False:",
        "unit/server/audit/test_chains.py::test_links_that_do_not_continue_it_are_refused_and_logg"
        "ed_as_a_fork"),
    server("another-rounds-entry", "another round's reservation pays", "audit/chain.py",
        "if last.round != round_:",
        "if False:",
        "unit/server/audit/test_chains.py::test_links_that_do_not_continue_it_are_refused_and_logg"
        "ed_as_a_fork"),
    server("refund-by-itself", "a ledger takes a price back by itself", "audit/chain.py",
        "if link.kind == LedgerKind.LEDGER_KIND_VOID and link.round not in allowed.void:",
        "if False:",
        "protocol/test_voids.py::test_a_ledger_that_takes_back_before_the_log_says_so_is_forked_fo"
        "r_everybody"),
    server("budget-tried-once",
        "a policy's budget that the disk refused is not tried again",
        "node/session.py",
        "        self.take_budgets()\n\n    def forget",
        "\n    def forget",
        "protocol/test_recovery.py::test_a_budget_that_the_disk_refused_is_taken_later_but_by_no_ledger_that"
        "_is_behind"),
    server("budget-in-an-old-ledger",
        "a ledger that is behind the log takes a policy's budget",
        "node/session.py",
        "        try:\n"
        "            self._check_ledger_is_current()\n"
        "        except Refused:\n"
        "            return\n",
        "",
        "protocol/test_recovery.py::test_a_budget_that_the_disk_refused_is_taken_later_but_by_no_ledger_that"
        "_is_behind"),
    server("record-cut-short", "a record of what was sent may be cut short", "ops/remembered.py",
        "    if lost:\n",
        "    if False:\n",
        "unit/server/ops/test_sent.py::test_a_record_that_was_cut_short_before_a_commitment_is_found"),
    server("record-not-remembered", "the log does not learn what a department had sent", "node/service.py",
        "self._sent.head()",
        'b""',
        "crash/test_sweep.py::test_a_schedule_holds"),
    server("budget-by-itself", "a ledger raises its own budget", "audit/chain.py",
        "if before is not None and link.pico_loss > max(before, "
        "allowed.budgets.get(link.population, 0)):",
        "if False:",
        "protocol/test_recovery.py::test_a_ledger_that_raises_its_own_budget_is_forked_for_everybody"),
)
