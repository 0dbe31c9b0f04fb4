"""D: how long after the announcement a node answers, whatever its data.

A node that is ready earlier waits, so that arrival times tell nothing. The constants are generous
for two cores shared with other nodes; a node that needs longer drops out and loses the price, so
they err on the slow side.
"""

from typing import Final

BASE_MICROSECONDS: Final = 390_000  # checks, reservation on disk, a query over few people
PERSON_MICROSECONDS: Final = 4  # reading and bounding the rows of one person
CIPHERTEXT_MICROSECONDS: Final = 15_000  # encrypting and proving at 3072 bits
COORDINATE_MICROSECONDS: Final = 20  # drawing noise, about 75,000 values a second


def answering_time(max_people: int, coordinates: int, ciphertexts: int, tick_ms: int, round_ms: int) -> int:
    """D in milliseconds: a multiple of *tick_ms*, at least one, at most half of *round_ms* where that is one.

    >>> answering_time(100_000, 300, 5, tick_ms=50, round_ms=20_000)
    900
    """
    microseconds = (
        BASE_MICROSECONDS
        + PERSON_MICROSECONDS * max_people
        + CIPHERTEXT_MICROSECONDS * ciphertexts
        + COORDINATE_MICROSECONDS * coordinates
    )
    ticks = -(-microseconds // (1000 * tick_ms))
    return tick_ms * max(min(ticks, round_ms // 2 // tick_ms), 1)
