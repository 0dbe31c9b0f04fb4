"""The log's hashes and proofs: published vectors, a tree by the book, and every proof of small trees."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cotally.client.verify.merkle import leaf_hash, node_hash, root, verify_consistency, verify_inclusion

VECTORS = Path(__file__).parents[4].parent / "shared" / "vectors" / "merkle"


def vectors(kind: str) -> list[Any]:
    found = sorted((VECTORS / kind).rglob("*.json")) if VECTORS.is_dir() else []
    if not found:
        absent = pytest.mark.skip(reason="shared/vectors/merkle is not beside the checkout")
        return [pytest.param(None, marks=absent)]
    return [pytest.param(json.loads(path.read_text()), id=str(path.relative_to(VECTORS))) for path in found]


def hashes(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(value) for value in values or []]


@pytest.mark.parametrize("vector", vectors("inclusion"))
def test_inclusion_vectors_get_their_stated_verdict(vector: dict[str, Any]) -> None:
    leaf, expected = hashes([vector["leafHash"], vector["root"]])
    verdict = verify_inclusion(leaf, vector["leafIdx"], vector["treeSize"], hashes(vector["proof"]), expected)
    assert verdict != vector["wantErr"], vector["desc"]


@pytest.mark.parametrize("vector", vectors("consistency"))
def test_consistency_vectors_get_their_stated_verdict(vector: dict[str, Any]) -> None:
    first, second = hashes([vector["root1"], vector["root2"]])
    verdict = verify_consistency(vector["size1"], vector["size2"], hashes(vector["proof"]), first, second)
    assert verdict != vector["wantErr"], vector["desc"]


# RFC 6962 section 2.1, word for word and slow.

def tree(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(tree(leaves[:split]), tree(leaves[split:]))


def audit_path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) < 2:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*audit_path(index, leaves[:split]), tree(leaves[split:])]
    return [*audit_path(index - split, leaves[split:]), tree(leaves[:split])]


def extension(first: int, leaves: list[bytes], whole: int = 1) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [tree(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if first <= split:
        return [*extension(first, leaves[:split], whole), tree(leaves[split:])]
    return [*extension(first - split, leaves[split:], 0), tree(leaves[:split])]


LEAVES = [leaf_hash(bytes([k])) for k in range(19)]


@pytest.mark.parametrize("size", range(20))
def test_the_root_is_that_of_the_rfc(size: int) -> None:
    assert root(LEAVES[:size]) == tree(LEAVES[:size])


@pytest.mark.parametrize("size", range(1, 20))
def test_every_leaf_is_included_and_only_where_it_stands(size: int) -> None:
    leaves = LEAVES[:size]
    for index in range(size):
        path = audit_path(index, leaves)
        for claimed in range(size):
            verdict = verify_inclusion(leaves[index], claimed, size, path, tree(leaves))
            assert verdict == (claimed == index)


@pytest.mark.parametrize("second", range(1, 20))
def test_every_prefix_is_consistent_and_a_rewritten_one_is_not(second: int) -> None:
    new = tree(LEAVES[:second])
    for first in range(1, second + 1):
        path = extension(first, LEAVES[:second])
        rewritten = [leaf_hash(b"another"), *LEAVES[1:first]]
        assert verify_consistency(first, second, path, tree(LEAVES[:first]), new)
        assert not verify_consistency(first, second, path, tree(rewritten), new)
