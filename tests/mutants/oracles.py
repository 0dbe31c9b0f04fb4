"""Mutants of what an analyst could learn beside the numbers: time, errors, texts."""

from typing import Final

from tests.mutants.mutant import Mutant, server

ORACLES: Final[tuple[Mutant, ...]] = (
    server("answers-early", "a node answers as soon as it has measured", "node/service.py",
        "                            milliseconds=round(1000 * (time.monotonic() - received)))\n"
        "            await asyncio.sleep(_until_answer(decision.announcement, received))\n",
        "                            milliseconds=round(1000 * (time.monotonic() - received)))\n",
        "protocol/test_bad_records.py::test_an_empty_holding_looks_like_any_other"),
    server("resends-early", "a stored commitment is sent before D", "node/service.py",
        "await asyncio.sleep(max(0, body.announced_ms + body.plan.answer_ms - now) / 1000)",
        "pass",
        "protocol/test_order.py::test_a_stored_commitment_is_sent_again_no_earlier_than_d"),
    server("fails-early", "an engine that breaks down over a record says so at once", "node/service.py",
        '            self._log.exception("measuring_failed", broken, round=decision.round)\n'
        "            await asyncio.sleep(_until_answer(decision.announcement, received))\n",
        '            self._log.exception("measuring_failed", broken, round=decision.round)\n',
        "unit/server/node/test_engine_troubles.py::test_breaking_down_over_a_record_looks_like_bei"
        "ng_too_slow"),
    server("late-answer", "a node that is slow answers late", "node/service.py",
        "done, _ = await asyncio.wait({work}, timeout=_until_answer(decision.announcement, received))",
        "done, _ = await asyncio.wait({work})",
        "unit/server/node/test_engine_troubles.py::test_breaking_down_over_a_record_looks_like_bei"
        "ng_too_slow"),
    server("tick-removed", "D is not rounded to the tick", "planner/answering_time.py",
        "return rules.tick_ms * max(min(ticks, rules.round_ms // 2 // rules.tick_ms), 1)",
        "return max(min(microseconds // 1000, rules.round_ms // 2), 1)",
        "unit/server/planner/test_answering_time.py::test_time_is_rounded_up_to_ticks_and_capped"),
    server("noise-error-quotes", "an error of the sampler quotes what it met", "dp/measure.py",
        "        except Exception:  # OpenDP's text quotes the data\n"
        '            raise Refused(Refusal.INTERNAL, f"the noise of {title(block)} could not be '
        'drawn") from None',
        "        except Exception as error:\n"
        '            raise Refused(Refusal.INTERNAL, f"the noise of {title(block)}: {error}") from None',
        "unit/server/dp/test_measure.py::test_errors_of_the_sampler_never_quote_data"),
    server("slot-error-quotes", "an error of packing quotes the value", "crypto/packing.py",
        'raise OutOfSlot(f"value {first + outside[0]} lies outside its slot")',
        'raise OutOfSlot(f"value {numbers[outside[0]]} lies outside its slot")',
        "unit/server/crypto/test_packing.py::test_each_run_has_a_bias_of_its_own"),
    server("engine-error-quotes", "an error of the engine quotes the records", "engines/duckdb/measure.py",
        'raise EngineError(f"DuckDB stopped with {type(error).__name__}") from None',
        'raise EngineError(f"DuckDB stopped with {error}") from None',
        "unit/server/engines/test_oracles.py::test_a_database_that_quotes_a_record_is_not_quoted"),
    server("notes-quote", "an operator's note names the header it did not find", "engines/duckdb/tidy.py",
        'raise Misconfigured(f"{file}: the header lacks column {name}")',
        'raise Misconfigured(f"{file}: the header {header} lacks column {name}")',
        "unit/server/engines/test_snapshot.py::test_a_file_that_cannot_be_the_table_is_named"),
    server("exception-text-sent", "the text of an exception is sent to the caller", "rpc/guard.py",
        'await context.abort(grpc.StatusCode.INTERNAL, "")',
        "await context.abort(grpc.StatusCode.INTERNAL, str(error))",
        "unit/server/rpc/test_refusals.py::test_the_text_of_an_exception_stays_here"),
    server("exception-text-logged", "the text of an exception is written to the log", "rpc/logs.py",
        'fields["exception"] = type(error).__qualname__',
        'fields["exception"] = str(error)',
        "unit/server/rpc/test_logs.py::test_exceptions_leave_type_and_places_only"),
    server("sealed-printed", "the secret part of a commitment prints itself", "node/rounds.py",
        '        return "Sealed(...)"\n',
        "        return repr((self.salt, self.ciphertexts))\n",
        "protocol/test_order.py::test_the_secret_part_of_a_commitment_does_not_print"),
)
