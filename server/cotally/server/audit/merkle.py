"""Merkle trees of RFC 6962, section 2.1: roots, inclusion paths, consistency paths, and their checks.

Trees hold leaf hashes, not data. Node (level k, index i) is the root of the 2^k leaves from i * 2^k;
only complete nodes are kept, so appending is O(1) amortised and every root or path O(log^2 n) at most.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from cotally.v1.refusals import Refusal, Refused

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf with content *data*."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above *left* and *right*."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """The least that grows with a log and knows its root: one hash per set bit of its size."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count() or not _are_hashes(hashes):
            raise ValueError(f"a frontier of size {size} has {size.bit_count()} hashes of 32 bytes")
        self.size = size
        self._hashes = list(hashes)  # of the largest complete subtree first

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        size = self.size
        while size & 1:  # the last subtree is as large as what carries
            leaf = node_hash(self._hashes.pop(), leaf)
            size >>= 1
        self._hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over everything appended."""
        if not self._hashes:
            return EMPTY_ROOT
        root = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            root = node_hash(left, root)
        return root

    def dump(self) -> bytes:
        """Return the size in 8 bytes big-endian, then the hashes; `load` reads them."""
        return self.size.to_bytes(8, "big") + b"".join(self._hashes)

    @classmethod
    def load(cls, data: bytes) -> "Frontier":
        """Return the frontier that `dump` wrote; raise ValueError for anything else."""
        if len(data) < 8:
            raise ValueError("a frontier begins with its size in 8 bytes")
        hashes = [data[at:at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES)]
        return cls(int.from_bytes(data[:8], "big"), hashes)


class Tree:
    """A whole tree in memory, 64 bytes a leaf: roots and proofs for every size it ever had."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash and the nodes that it completes."""
        for level in self._levels:
            level.append(leaf)
            if len(level) % 2:
                return
            leaf = node_hash(level[-2], level[-1])
        self._levels.append([leaf])

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash at *index*."""
        return self._levels[0][index]

    def leaves(self) -> Sequence[bytes]:
        """Return every leaf hash, in order."""
        return tuple(self._levels[0])

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first *size* leaves, or over all of them."""
        size = self.size if size is None else size
        self._check_size(size)
        return self._subtree(0, size) if size else EMPTY_ROOT

    def frontier(self) -> Frontier:
        """Return the frontier at the present size."""
        hashes, start = [], 0
        for level in reversed(range(self.size.bit_length())):
            if self.size >> level & 1:
                hashes.append(self._levels[level][start >> level])
                start += 1 << level
        return Frontier(self.size, hashes)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return PATH(index, D[size]), leaf first."""
        self._check_size(size)
        if not 0 <= index < size:
            raise Refused(Refusal.MALFORMED, f"a log of {size} entries has no entry {index}")
        start, end, path = 0, size, []
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Return PROOF(first, D[second]) for 0 < first <= second."""
        self._check_size(second)
        if not 0 < first <= second:
            raise Refused(Refusal.MALFORMED, f"no proof leads from size {first} to size {second}")
        start, end, path = 0, second, []
        while first != end:
            middle = start + _split(end - start)
            if first <= middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(start, middle))
                start = middle
        if start:  # the old tree is not a subtree of its own size: its last piece must be told
            path.append(self._subtree(start, end))
        return path[::-1]

    def _subtree(self, start: int, end: int) -> bytes:
        """The root over leaves start..end, where start is a multiple of a power of two >= end - start."""
        size = end - start
        if size & (size - 1) == 0:
            level = size.bit_length() - 1
            return self._levels[level][start >> level]
        middle = start + _split(size)
        return node_hash(self._subtree(start, middle), self._subtree(middle, end))

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise Refused(Refusal.OUT_OF_ORDER, f"the log has {self.size} entries, not {size}")


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Refuse (BAD_PROOF) unless *path* shows *leaf* at *index* under *root*. RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size or not _are_hashes((leaf, *path)):
        raise Refused(Refusal.BAD_PROOF, "the inclusion proof is malformed")
    place, last, hash_ = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Refused(Refusal.BAD_PROOF, "the inclusion proof is too long")
        if place & 1 or place == last:
            hash_ = node_hash(sibling, hash_)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            hash_ = node_hash(hash_, sibling)
        place, last = place >> 1, last >> 1
    if last != 0 or hash_ != root:
        raise Refused(Refusal.BAD_PROOF, f"entry {index} is not shown to be in the log of {size} entries")


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]
) -> None:
    """Refuse (BAD_PROOF) unless *path* shows that the second tree extends the first, which is not empty.

    RFC 9162, section 2.1.4.2. An empty first tree says nothing and is refused.
    """
    if not 0 < first <= second or not _are_hashes(path):
        raise Refused(Refusal.BAD_PROOF, "the consistency proof is malformed")
    if first == second:
        if path or first_root != second_root:
            raise Refused(Refusal.BAD_PROOF, f"two logs of size {first} differ")
        return
    rest = list(path)
    if first & (first - 1) == 0:
        rest.insert(0, first_root)  # the old tree is a complete subtree, hence its own first piece
    if not rest:
        raise Refused(Refusal.BAD_PROOF, "the consistency proof is empty")
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = rest[0]
    for hash_ in rest[1:]:
        if last == 0:
            raise Refused(Refusal.BAD_PROOF, "the consistency proof is too long")
        if place & 1 or place == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, hash_)
        place, last = place >> 1, last >> 1
    if last != 0 or old != first_root or new != second_root:
        raise Refused(Refusal.BAD_PROOF, f"size {second} is not shown to extend size {first}")


def _split(size: int) -> int:
    """The largest power of two smaller than *size*."""
    return 1 << (size - 1).bit_length() - 1


def _are_hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
