"""The refusals in Python are those of the contract, each with an exit code."""

from cotally.v1 import refusal_pb2
from cotally.v1.refusals import EXIT_CODE, MAX_SENTENCE, Refusal, Refused


def test_the_set_is_that_of_the_contract() -> None:
    assert {f"REFUSAL_{r}" for r in Refusal} == set(refusal_pb2.Refusal.keys()) - {"REFUSAL_UNSPECIFIED"}


def test_every_refusal_has_an_exit_code_of_the_interface() -> None:
    assert set(EXIT_CODE) == set(Refusal)
    assert set(EXIT_CODE.values()) <= {1, 2, 4, 5, 6, 7, 8}


def test_a_refusal_carries_its_sentence() -> None:
    refused = Refused(Refusal.BUDGET_SPENT, "too little is left")
    assert (refused.refusal, refused.message, str(refused)) == ("BUDGET_SPENT", "too little is left",
                                                                "too little is left")


def test_a_sentence_that_quotes_a_megabyte_is_cut() -> None:
    refused = Refused(Refusal.UNKNOWN_NAME, f"there is no code {'x' * 10**6!r}")
    assert len(refused.message) == len(str(refused)) == MAX_SENTENCE
