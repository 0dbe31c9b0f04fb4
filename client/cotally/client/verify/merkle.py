"""Hashes and proofs of the audit log's Merkle tree (RFC 6962; checks as in RFC 9162, section 2.1)."""

import hashlib
from collections.abc import Iterable, Sequence

Peak = tuple[int, bytes]


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The least that grows with a log and knows its root: the peaks of its perfect subtrees.

    A peak is (height, hash) of 2^height leaves; heights fall from left to right.
    """

    def __init__(self, peaks: Iterable[Peak] = ()) -> None:
        self._peaks = list(peaks)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return sum(1 << height for height, _ in self._peaks)

    @property
    def peaks(self) -> tuple[Peak, ...]:
        """What another frontier can go on from."""
        return tuple(self._peaks)

    def add(self, value: bytes, height: int = 0) -> None:
        """Append the perfect subtree of *height* with root *value*: a leaf hash by default.

        The size so far must be a multiple of 2^height; ValueError otherwise.
        """
        peaks = self._peaks
        if peaks and peaks[-1][0] < height:
            raise ValueError(f"a subtree of height {height} cannot follow one of height {peaks[-1][0]}")
        while peaks and peaks[-1][0] == height:
            height, value = height + 1, node_hash(peaks.pop()[1], value)
        peaks.append((height, value))

    def root(self) -> bytes:
        """Return the root over everything appended.

        >>> Frontier().root().hex()[:8]
        'e3b0c442'
        """
        if not self._peaks:
            return hashlib.sha256(b"").digest()
        value = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            value = node_hash(left, value)
        return value


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the tree's root over *leaves*, which are leaf hashes in order."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes,
) -> bool:
    """Return whether *path* proves the leaf hash *leaf* at *index* in the tree of *size* leaves."""
    if not 0 <= index < size or len(leaf) != hashlib.sha256().digest_size:
        return False
    position, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and value == expected_root


def verify_consistency(
    first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes,
) -> bool:
    """Return whether *path* proves that the tree of *second* leaves extends that of *first* leaves.

    An empty first tree proves nothing and is not accepted.
    """
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    proof = list(path) if first & (first - 1) else [first_root, *path]
    if not proof:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root
