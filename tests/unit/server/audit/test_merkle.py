"""RFC 6962 trees against plain recursion, and proofs against published vectors, good and bad."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.audit.merkle import Frontier, Tree, leaf_hash, verify_consistency, verify_inclusion
from cotally.v1.refusals import Refusal, Refused

VECTORS = Path(__file__).parents[5] / "shared" / "vectors" / "merkle"
LEAVES = [leaf_hash(bytes([i])) for i in range(70)]
SIZES = [*range(1, 34), 63, 64, 65, 70]


def mth(leaves: Sequence[bytes]) -> bytes:
    """The definition in RFC 6962, section 2.1, over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def test_roots_of_every_size_are_those_of_the_definition() -> None:
    tree, frontier = Tree(), Frontier()
    for size in range(71):
        assert tree.root() == frontier.root() == mth(LEAVES[:size])
        assert tree.frontier().dump() == frontier.dump()
        assert Frontier.load(frontier.dump()).root() == frontier.root()
        if size < 70:
            tree.append(LEAVES[size])
            frontier.append(LEAVES[size])
    assert [tree.root(size) for size in range(71)] == [mth(LEAVES[:size]) for size in range(71)]


@pytest.mark.parametrize("size", SIZES)
def test_every_inclusion_proof_verifies_and_only_where_it_belongs(size: int) -> None:
    tree = Tree(LEAVES)
    root = tree.root(size)
    for index in range(size):
        path = tree.inclusion(index, size)
        verify_inclusion(LEAVES[index], index, size, path, root)
        planted = [(leaf_hash(b"x"), index, path, root), (LEAVES[index], index ^ 1, path, root),
                   (LEAVES[index], index, [*path, root], root), (LEAVES[index], index, path, leaf_hash(b"x"))]
        if path:
            planted.append((LEAVES[index], index, path[:-1], root))
        for leaf, place, wrong, end in planted:
            with pytest.raises(Refused):
                verify_inclusion(leaf, place, size, wrong, end)


@pytest.mark.parametrize("second", SIZES)
def test_every_consistency_proof_verifies_and_only_between_its_roots(second: int) -> None:
    tree = Tree(LEAVES)
    for first in range(1, second + 1):
        path = tree.consistency(first, second)
        verify_consistency(first, second, tree.root(first), tree.root(second), path)
        fork = Tree([*LEAVES[:first - 1], leaf_hash(b"forked")])
        with pytest.raises(Refused):
            verify_consistency(first, second, fork.root(), tree.root(second), path)
        with pytest.raises(Refused):
            verify_consistency(first, second, tree.root(first), fork.root(), path)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.data())
def test_a_changed_bit_breaks_a_proof(size: int, data: st.DataObject) -> None:
    tree = Tree(LEAVES)
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index, size)
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        path[place] = bytes([path[place][0] ^ 1]) + path[place][1:]
        with pytest.raises(Refused):
            verify_inclusion(LEAVES[index], index, size, path, tree.root(size))


@pytest.mark.parametrize(("call", "refusal"), [
    (lambda tree: tree.root(71), Refusal.OUT_OF_ORDER),
    (lambda tree: tree.inclusion(3, 3), Refusal.MALFORMED),
    (lambda tree: tree.inclusion(-1, 3), Refusal.MALFORMED),
    (lambda tree: tree.inclusion(0, 71), Refusal.OUT_OF_ORDER),
    (lambda tree: tree.consistency(0, 3), Refusal.MALFORMED),
    (lambda tree: tree.consistency(4, 3), Refusal.MALFORMED),
    (lambda tree: tree.consistency(4, 71), Refusal.OUT_OF_ORDER),
])
def test_proofs_that_cannot_be_are_refused(call: Any, refusal: Refusal) -> None:
    with pytest.raises(Refused) as caught:
        call(Tree(LEAVES))
    assert caught.value.refusal == refusal


@pytest.mark.parametrize("data", [b"", bytes(7), bytes(9), (1).to_bytes(8, "big"), bytes(8) + bytes(32),
                                  (3).to_bytes(8, "big") + bytes(63)])
def test_a_damaged_frontier_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="frontier"):
        Frontier.load(data)


def decode(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def is_accepted(vector: dict[str, Any]) -> bool:
    proof = [decode(p) for p in vector["proof"] or []]
    try:
        if "leafIdx" in vector:
            verify_inclusion(decode(vector["leafHash"]), vector["leafIdx"], vector["treeSize"], proof,
                             decode(vector["root"]))
        else:
            verify_consistency(vector["size1"], vector["size2"], decode(vector["root1"]),
                               decode(vector["root2"]), proof)
    except Refused as refused:
        assert refused.refusal == Refusal.BAD_PROOF
        return False
    return True


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the published Merkle vectors are not beside this checkout")
@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_published_vectors_get_their_stated_verdict(kind: str) -> None:
    read = {path: json.loads(path.read_text()) for path in sorted((VECTORS / kind).rglob("*.json"))}
    assert [path for path, vector in read.items() if is_accepted(vector) == vector["wantErr"]] == []
    assert {vector["wantErr"] for vector in read.values()} == {True, False}
    assert len(read) > 80
