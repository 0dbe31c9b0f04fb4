"""D: how long after the announcement a node answers, whatever its data.

A node that is ready earlier waits, so that arrival times tell nothing. The constants are generous
for two cores shared with other nodes; a node that needs longer drops out and loses the price, so
they err on the slow side. What does not grow with the question (checks, the reservation on disk,
planning a query) depends on machines more than on anything here: the federation's policy states it.
"""

from typing import Final

from ..model.encryption import Encryption
from ..model.plan import Rules

PERSON_MICROSECONDS: Final = 4  # reading and bounding the rows of one person
CIPHERTEXT_MICROSECONDS: Final = {  # encrypting and proving at 3072 bits, without a compiled kernel
    Encryption.DJN: 15_000,
    Encryption.SHORT: 8_000,
    Encryption.TEXTBOOK: 150_000,
}
COORDINATE_MICROSECONDS: Final = 20  # drawing noise, about 75,000 values a second


def answering_time(max_people: int, coordinates: int, ciphertexts: int, rules: Rules) -> int:
    """D in milliseconds: a multiple of the tick, at least one, at most half of a round where that is one.

    >>> from fractions import Fraction
    >>> rules = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=20_000, modulus_bits=3072)
    >>> answering_time(100_000, 300, 5, rules)
    900
    """
    microseconds = (
        1000 * rules.answer_base_ms
        + PERSON_MICROSECONDS * max_people
        + CIPHERTEXT_MICROSECONDS[rules.encryption] * ciphertexts
        + COORDINATE_MICROSECONDS * coordinates
    )
    ticks = -(-microseconds // (1000 * rules.tick_ms))
    return rules.tick_ms * max(min(ticks, rules.round_ms // 2 // rules.tick_ms), 1)
