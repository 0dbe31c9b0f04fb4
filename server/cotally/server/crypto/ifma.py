"""The ring on the C kernel: eight residues at a time with AVX512-IFMA, and how fast that is.

Sizes are settled here: the kernel trusts the lengths that it is given.
"""

import ctypes
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from time import perf_counter
from typing import Any, ClassVar, Final

from cotally.v1.refusals import Refusal, Refused

from .arithmetic import FixedBase, Ring, RunningProduct, exponents_of, widest_window
from .library import kernel

MAX_BITS: Final = 16384  # of a modulus: columns of products must stay within 64 bits
_DIGIT: Final = 52
_LANES: Final = 8
_CHAIN: Final = 512  # residues whose powers share a chain of squarings; more want too much memory
_FEW: Final = 4  # numbers that are sooner raised one by one than together


class IfmaRing(Ring):
    """Residues in 52-bit digits, eight side by side; a few powers, one after the other (`_LoneRing`)."""

    _MAX_BITS: ClassVar[int] = MAX_BITS
    _TOGETHER: ClassVar[int] = 4  # digits come in multiples of this

    lanes = _LANES

    def __init__(self, modulus: int, width: int) -> None:
        super().__init__(modulus, width)
        if modulus.bit_length() > self._MAX_BITS:
            raise Refused(Refusal.MALFORMED, f"a modulus has at most {self._MAX_BITS} bits")
        self.kernel = kernel()
        self.digits = -(-(modulus.bit_length() + 2) // (_DIGIT * self._TOGETHER)) * self._TOGETHER
        self.radix = pow(2, _DIGIT * self.digits, modulus)  # R > 4 N
        constants = b"".join(x.to_bytes(width, "big") for x in (
            modulus, self.radix, self.radix * self.radix % modulus, 1))
        inverse = pow(-modulus, -1, 1 << _DIGIT)
        self.handle = self.kernel.new("ring", self, self.digits, width, constants, inverse)

    def multiply(self, left: bytes, right: bytes) -> bytes:
        """Return left[k] * right[k] as a vector. Refuses MALFORMED unequal lengths."""
        count = self.check_pair(left, right)
        return self.computed(count, "multiply", left, right, count)

    def running_product(self, count: int) -> "IfmaProduct":
        """Return an empty product of vectors of *count* residues."""
        return IfmaProduct(self, count)

    def powers(self, bases: bytes, exponent: int) -> bytes:
        """Return bases[k]^exponent for one public exponent >= 0."""
        exponents_of([exponent])
        return self.secret_powers(bases, [exponent] * (len(bases) // self.width), exponent.bit_length())

    def secret_powers(self, bases: bytes, exponents: Sequence[int], bits: int) -> bytes:
        """Return bases[k]^exponents[k]; time and memory accesses depend on *bits* and the length alone."""
        count = self.check(bases)
        exponents_of(exponents, count, bits)
        together = count - self._alone(count)
        cut = together * self.width
        first = self.computed(together, "secret_powers", bases, together, _little(exponents[:together], bits),
                              bits // 8 + 1, bits)
        return first + self._lone.one_by_one(bases[cut:], exponents[together:], bits)

    def power_product(self, bases: bytes, exponents: Sequence[int]) -> int:
        """Return the product of bases[k]^exponents[k] for public exponents >= 0."""
        count = self.check(bases)
        exponents_of(exponents, count)
        bits = max((e.bit_length() for e in exponents), default=0)
        if self._alone(count) == count:
            product = 1
            for power in self.numbers(self._lone.one_by_one(bases, exponents, bits)):
                product = product * power % self.modulus
            return product
        product = 1
        for start in range(0, count, _CHAIN):
            few = exponents[start:start + _CHAIN]
            part = self.computed(1, "power_product", bases[start * self.width:], len(few),
                                 _little(few, bits), bits // 8 + 1, bits)
            product = product * int.from_bytes(part, "big") % self.modulus
        return product

    def fixed_base(self, base: int, exponent_bits: int, table_bytes: int) -> "IfmaFixedBase":
        """Return powers of *base*, with the widest window whose table stays within *table_bytes*."""
        return IfmaFixedBase(self, base, exponent_bits, table_bytes)

    def computed(self, count: int, name: str, *arguments: Any) -> bytes:
        """Return the vector of *count* residues that the kernel's function *name* writes."""
        result = bytearray(count * self.width)
        place = (ctypes.c_char * len(result)).from_buffer(result)
        self.kernel.call(name, self.handle, *arguments, ctypes.addressof(place))
        return bytes(result)

    @cached_property
    def _lone(self) -> "_LoneRing":
        return _LoneRing(self.modulus, self.width)

    def _alone(self, count: int) -> int:
        """How many of *count* numbers, the last, are sooner done one by one than eight by eight."""
        rest = count % _LANES
        return rest if rest <= min(_FEW, self.digits // 13) else 0


class _LoneRing(IfmaRing):
    """The ring mod k N, where k makes it -1 mod 2^416: what the kernel wants for one number at a time."""

    _MAX_BITS = MAX_BITS + _LANES * _DIGIT
    _TOGETHER = _LANES

    def __init__(self, modulus: int, width: int) -> None:
        group = 1 << _LANES * _DIGIT
        multiple = modulus * pow(-modulus, -1, group)
        super().__init__(multiple, width + _LANES * _DIGIT // 8)
        self._small, self._small_width = modulus, width
        self._above = ((multiple + 1) // group).to_bytes(self.width, "big")

    def one_by_one(self, bases: bytes, exponents: Sequence[int], bits: int) -> bytes:
        """Return bases[k]^exponents[k] mod N, all of N's width, by one chain of products each."""
        width, powers = self._small_width, []
        for position, exponent in enumerate(exponents):
            base = bases[position * width:(position + 1) * width].rjust(self.width, b"\0")
            power = self.computed(1, "lone_power", self._above, base, _little([exponent], bits),
                                  bits // 8 + 1, bits)
            powers.append(self._reduced(int.from_bytes(power, "big")).to_bytes(width, "big"))
        return b"".join(powers)

    def _reduced(self, power: int) -> int:
        """*power* mod N. What it is mod k is as secret as its exponent, so a division must not see it."""
        blinded = power + self._small * secrets.randbits(2 * _LANES * _DIGIT)
        return blinded % self._small


class IfmaProduct(RunningProduct):
    """One number in the kernel per position, kept R^(1 - vectors) times what it should be; for one thread."""

    def __init__(self, ring: IfmaRing, count: int) -> None:
        self._ring = ring
        self._count = count
        self._vectors = 0
        self._handle = ring.kernel.new("product", self, ring.handle, count)

    def multiply(self, vector: bytes) -> None:
        """Take in one more vector of the same length. Refuses MALFORMED one that is not of this ring."""
        ring = self._ring
        ring.check_length(vector, self._count)
        ring.kernel.call("product_multiply", ring.handle, self._handle, vector, self._count)
        self._vectors += 1

    def result(self) -> bytes:
        """Return the product of all vectors so far; of none, ones."""
        ring = self._ring
        factor = pow(ring.radix, self._vectors, ring.modulus).to_bytes(ring.width, "big")
        return ring.computed(self._count, "product_result", self._handle, factor, self._count)


class IfmaFixedBase(FixedBase):
    """A table of residues times R, as bytes."""

    def __init__(self, ring: IfmaRing, base: int, exponent_bits: int, table_bytes: int) -> None:
        self._ring = ring
        self._base = ring.vector([base])
        self.exponent_bits = exponent_bits
        self.window, self.table_bytes = widest_window(exponent_bits, ring.width, table_bytes)
        self._table: ctypes.Array[ctypes.c_char] | None = None
        self._building = Lock()

    def build(self) -> None:
        """Build the table now, so that no later call waits for it."""
        self._built()

    def _built(self) -> "ctypes.Array[ctypes.c_char]":
        with self._building:
            if self._table is None:
                table = ctypes.create_string_buffer(self.table_bytes + self._ring.width)
                self._ring.kernel.call("table_fill", self._ring.handle, self._base, self.window,
                                       self._rows(self.exponent_bits), table)
                self._table = table
            return self._table

    def times_powers(self, factors: bytes, exponents: Sequence[int]) -> bytes:
        """Return factors[k] * base^exponents[k] as a vector, for exponents of at most `exponent_bits`."""
        count = self._ring.check(factors)
        exponents_of(exponents, count, self.exponent_bits)
        bits = max((e.bit_length() for e in exponents), default=0)
        return self._ring.computed(
            count, "table_times", self._built(), self.window, self._rows(bits), factors,
            _little(exponents, bits), bits // 8 + 1, count)

    def power(self, exponent: int) -> int:
        """Return base^exponent, for one exponent of at most `exponent_bits`."""
        exponents_of([exponent], 1, self.exponent_bits)
        bits = exponent.bit_length()
        return int.from_bytes(self._ring.computed(
            1, "table_power", self._built(), self.window, self._rows(bits), _little([exponent], bits),
            bits // 8 + 1), "big")

    def _rows(self, bits: int) -> int:
        return -(-bits // self.window)


def _little(exponents: Sequence[int], bits: int) -> bytes:
    """The exponents as the kernel reads them, each in bits // 8 + 1 bytes."""
    return b"".join(int(exponent).to_bytes(bits // 8 + 1, "little") for exponent in exponents)


@dataclass(frozen=True, slots=True)
class Speed:
    """How long one multiplication mod N takes, of eight at a time, and what the processor allows."""

    seconds: float  # per multiplication
    clock: float  # cycles per second, by additions that wait for each other
    floor: float  # seconds, were nothing done but schoolbook products, two instructions a cycle

    @property
    def share(self) -> float:
        """How much of the floor is reached; above 1 if there is less to do than schoolbook products."""
        return self.floor / self.seconds


def speed(ring: IfmaRing, rounds: int = 200) -> Speed:
    """Measure *ring*: the best of many short rounds, clock and multiplications in turns (a few 100 us each).

    D digits cost 4 D^2 instructions per eight multiplications: D^2 digit products for a * b and as
    many for the reduction, each in two instructions, for its lower and its upper half. Rounds are
    short, so that some are not disturbed by what else runs.
    """
    additions, times = 1 << 16, 1 << 5
    eight = ring.vector([ring.radix] * _LANES)
    cycle = product = float("inf")
    for _ in range(rounds):
        start = perf_counter()
        ring.kernel.get("additions")(additions)
        middle = perf_counter()
        ring.kernel.call("chain", ring.handle, eight, times)
        product = min(product, (perf_counter() - middle) / (_LANES * times))
        cycle = min(cycle, (middle - start) / (8 * additions))
    return Speed(product, 1 / cycle, 4 * ring.digits**2 / (2 * _LANES) * cycle)
