"""The proof of form holds for two primes 3 mod 4 and for no other kind of modulus."""

import secrets

import gmpy2
import pytest

from cotally.server.crypto import wellformed
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import P_512, Q_512, small_dealt

N = P_512 * Q_512
PROOF = small_dealt().wellformed
WIDTH = 128


def prime(bits: int, residue: int) -> int:
    while True:
        candidate = secrets.randbits(bits) | 1 << bits - 1
        if candidate % 4 == residue and gmpy2.is_prime(candidate):
            return candidate


def refusal(modulus: int, epoch: int, proof: bytes) -> Refusal:
    with pytest.raises(Refused) as caught:
        wellformed.verify(modulus, epoch, proof)
    return caught.value.refusal


def test_an_honest_proof_verifies_for_its_epoch_only() -> None:
    wellformed.verify(N, 1, PROOF)
    assert refusal(N, 2, PROOF) is Refusal.BAD_PROOF


@pytest.mark.parametrize("root", range(0, wellformed.NTH_ROOTS + wellformed.SQUARE_ROOTS, 7))
def test_each_root_counts(root: int) -> None:
    changed = bytearray(PROOF)
    changed[root * WIDTH + WIDTH - 1] ^= 1
    assert refusal(N, 1, bytes(changed)) is Refusal.BAD_PROOF


@pytest.mark.parametrize("proof", [b"", PROOF[:-1], PROOF + b"\0", b"\0" * len(PROOF), b"\xff" * len(PROOF)])
def test_other_lengths_and_ranges_are_malformed(proof: bytes) -> None:
    assert refusal(N, 1, proof) is Refusal.MALFORMED


def test_a_root_of_the_wrong_sign_is_refused() -> None:
    """The other square root of x has the other Jacobi symbol: only the hashed sign tells them apart."""
    start = wellformed.NTH_ROOTS * WIDTH
    root = int.from_bytes(PROOF[start:start + WIDTH], "big")
    other = wellformed._join(gmpy2.mpz(root % P_512), gmpy2.mpz(-root % Q_512), P_512, Q_512)
    assert other * other % N == root * root % N
    changed = PROOF[:start] + int(other).to_bytes(WIDTH, "big") + PROOF[start + WIDTH:]
    assert refusal(N, 1, changed) is Refusal.BAD_PROOF


@pytest.mark.parametrize(("modulus", "word"), [
    (0, "even"), (1, "even"), (-5, "even"), (N * 2, "even"), (N + 2, "even or not 1 modulo 4"),
    (5 * N, "below 65536"), (3 * P_512, "below 65536"), (65521 * prime(960, 1), "below 65536"),
    (65537 * prime(960, 1), "wrong length"), (P_512**2, "perfect power"), (prime(300, 1)**3, "perfect power"),
    (prime(512, 1), "is prime"), (prime(1024, 1), "is prime"), (P_512, "not 1 modulo 4"),
])
def test_hostile_moduli_are_malformed(modulus: int, word: str) -> None:
    proof = PROOF if word != "wrong length" else b""
    with pytest.raises(Refused, match=word) as caught:
        wellformed.verify(modulus, 1, proof)
    assert caught.value.refusal is Refusal.MALFORMED


def test_two_primes_1_mod_4_have_no_answer_to_half_of_the_challenges() -> None:
    p, q = prime(256, 1), prime(256, 1)
    answers = 0
    for k in range(wellformed.SQUARE_ROOTS):
        x, sign = wellformed._signed_unit(p * q, 1, k)
        roots = _roots(x, p, q) + _roots(p * q - x, p, q)
        answers += any(gmpy2.jacobi(root, p * q) == sign for root in roots)
    assert answers < wellformed.SQUARE_ROOTS * 3 // 4


def test_a_square_factor_leaves_challenges_without_an_nth_root() -> None:
    """p^2 q: an N-th power has an N-th root only for 1 in p of the challenges."""
    p, q = prime(200, 3), prime(200, 1)
    n = p * p * q
    x = wellformed._unit(n, 1, 0)
    assert pow(x, (p - 1) * (q - 1), n) != 1  # so x lies outside the image of r -> r^N
    assert n % 4 == 1
    width = (n.bit_length() + 7) // 8
    claimed = b"".join(secrets.randbelow(n).to_bytes(width, "big")
                       for _ in range(wellformed.NTH_ROOTS + wellformed.SQUARE_ROOTS))
    assert refusal(n, 1, claimed) is Refusal.BAD_PROOF


def test_three_primes_cannot_answer_as_two_do() -> None:
    p, q, r = prime(200, 3), prime(200, 3), prime(200, 1)
    n, unanswered = p * q * r, 0
    for k in range(wellformed.SQUARE_ROOTS):
        x, _ = wellformed._signed_unit(n, 1, k)
        unanswered += not any(all(gmpy2.jacobi(y, f) == 1 for f in (p, q, r)) for y in (x, n - x))
    assert unanswered > wellformed.SQUARE_ROOTS // 4


def _roots(x: int, p: int, q: int) -> list[int]:
    if gmpy2.jacobi(x, p) != 1 or gmpy2.jacobi(x, q) != 1:
        return []
    a, b = _root(x % p, p), _root(x % q, q)
    return [int(wellformed._join(gmpy2.mpz(s), gmpy2.mpz(t), p, q)) for s in (a, p - a) for t in (b, q - b)]


def _root(x: int, p: int) -> int:
    """A square root mod p by Cipolla's method, for primes 1 mod 4."""
    a = next(a for a in range(1, 1000) if gmpy2.jacobi(a * a - x, p) == -1)
    w = (a * a - x) % p
    result, base, exponent = (1, 0), (a, 1), (p + 1) // 2
    while exponent:
        if exponent & 1:
            result = ((result[0] * base[0] + result[1] * base[1] * w) % p,
                      (result[0] * base[1] + result[1] * base[0]) % p)
        base = ((base[0] ** 2 + base[1] ** 2 * w) % p, 2 * base[0] * base[1] % p)
        exponent >>= 1
    assert result[0] ** 2 % p == x
    return result[0]
