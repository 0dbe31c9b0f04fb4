"""Products of many powers, by buckets (Pippenger 1976; Bernstein, Doumen, Lange and Oosterwijk 2012)."""

from collections.abc import Sequence

from gmpy2 import mpz


def power_product(bases: Sequence[mpz], exponents: Sequence[int], bits: int, modulus: mpz) -> mpz:
    """Return prod bases[k]^exponents[k] mod *modulus*, for exponents of at most *bits* bits, not negative.

    A window of every exponent at a time, from the top: the bases are multiplied into a bucket per value
    of the window, and bucket d is raised to d by running products. With n bases that is some
    bits / w (n + 2^(w+1)) multiplications, where powers one by one would take 3/2 bits n. It takes no
    secrets: its time tells the exponents.
    """
    window = min(range(1, 17), key=lambda w: -(-bits // w) * (len(bases) + (2 << w)))
    mask = (1 << window) - 1
    result = mpz(1)
    for shift in range((-(-bits // window) - 1) * window, -1, -window):
        for _ in range(window):
            result = result * result % modulus
        buckets: dict[int, mpz] = {}
        for base, exponent in zip(bases, exponents, strict=True):
            digit = exponent >> shift & mask
            if digit:
                held = buckets.get(digit)
                buckets[digit] = base if held is None else held * base % modulus
        running = mpz(1)
        for digit in range(max(buckets, default=0), 0, -1):
            held = buckets.get(digit)
            if held is not None:
                running = running * held % modulus
            result = result * running % modulus
    return result
