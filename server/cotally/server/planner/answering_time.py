"""D: how long after the announcement a node answers, whatever its data.

A node that is ready earlier waits, so that arrival times tell nothing. The constants are generous
for two cores shared with other nodes; a node that needs longer drops out and loses the price, so
they err on the slow side. What does not grow with the question (checks, the reservation on disk,
planning a query) depends on machines more than on anything here: the federation's policy states it.
It also names a pace, which all nodes can keep, and which chooses between two sets of constants:
numbers of a federation's own would be one more thing to get wrong.
"""

from typing import Final

from cotally.v1.refusals import Refusal, Refused

from ..model.encryption import Encryption
from ..model.pace import Pace
from ..model.plan import Rules

PERSON_MICROSECONDS: Final = 4  # reading and bounding the rows of one person
CIPHERTEXT_MICROSECONDS: Final = {  # encrypting and proving, at 3072 bits
    Pace.PORTABLE: {Encryption.DJN: 15_000, Encryption.SHORT: 8_000, Encryption.TEXTBOOK: 150_000},
    Pace.KERNEL: {Encryption.DJN: 2_500, Encryption.SHORT: 1_500, Encryption.TEXTBOOK: 25_000},
}
COORDINATE_MICROSECONDS: Final = {  # of the engine's groups, of noise, of packing
    Pace.PORTABLE: 20,  # OpenDP draws about 75,000 values a second
    Pace.KERNEL: 15,
}
LITERAL_MICROSECONDS: Final = 150  # a value that WHERE compares with: bound, parsed and planned for


def answering_time(
    max_people: int, coordinates: int, ciphertexts: int, rules: Rules, literals: int = 0
) -> int:
    """D in milliseconds: a multiple of the tick, at least one, at most half of a round where that is one.

    Refuses UNSUPPORTED what would keep a node busy for a whole round even if it held no records: it
    would be paid for and never released. Up to there the slack of the constants absorbs the cap, as it
    does for people: their number is a cap too.

    >>> from fractions import Fraction
    >>> rules = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=20_000, modulus_bits=3072)
    >>> answering_time(100_000, 300, 5, rules)
    900
    """
    asked = (CIPHERTEXT_MICROSECONDS[rules.answer_pace][rules.encryption] * ciphertexts
             + COORDINATE_MICROSECONDS[rules.answer_pace] * coordinates)
    if asked > 1000 * rules.round_ms:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"the query asks for {coordinates} numbers, for which a department's node may need "
            f"{asked // 10**6} s; the federation's rounds have {rules.round_ms // 1000} s",
        )
    microseconds = 1000 * rules.answer_base_ms + PERSON_MICROSECONDS * max_people + asked
    microseconds += LITERAL_MICROSECONDS * literals
    ticks = -(-microseconds // (1000 * rules.tick_ms))
    return rules.tick_ms * max(min(ticks, rules.round_ms // 2 // rules.tick_ms), 1)
