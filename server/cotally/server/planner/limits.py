"""Public bounds of what one query may ask; whatever lies outside is refused before anything is priced."""

from fractions import Fraction
from typing import Final

MAX_STATISTICS: Final = 64
MAX_KEYS: Final = 16
MAX_COORDINATES: Final = 1_000_000  # over all blocks, groups and leaves
MAX_BLOCKS: Final = 1000  # distinct ones: a question must be priced in little time, for asking is free
MAX_EXPLAINING: Final = 8  # columns of a regression
MAX_STEPS: Final = 2**112  # of the resolution from zero to a bound: engines' integers hold what comes of it
MAX_NAME: Final = 400  # characters that an analyst may call a statistic or a computed key
MAX_DEPTH: Final = 32  # of nested conditions
MAX_CONDITIONS: Final = 256  # comparisons, tests, junctions and negations together
MAX_LITERALS: Final = 10_000  # in all IN lists together
MAX_NUMBER: Final = 2**63 - 1  # absolute value of a literal
MAX_DECIMALS: Final = 18  # digits after a literal's point

LEAST_CONFIDENCE: Final = Fraction(1, 2)
MOST_CONFIDENCE: Final = Fraction(9999, 10_000)
LEAST_EPSILON: Final = Fraction(1, 10_000)
MOST_EPSILON: Final = Fraction(100)  # beyond it nothing is protected
LEAST_RHO: Final = Fraction(1, 10**9)  # below it pico-rho are too coarse
MOST_RHO: Final = Fraction(100)
LEAST_LOSS: Final = Fraction(1, 1000)  # part of the loss that one statistic takes against another
MOST_LOSS: Final = Fraction(1000)
