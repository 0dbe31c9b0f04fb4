"""The whole log against a witnessed checkpoint, for auditors."""

import base64
from collections.abc import Callable

import pytest

from cotally.client.verify.checkpoint import parse, quorum
from cotally.client.verify.log import entry_hash, verify_log
from cotally.client.verify.merkle import root
from cotally.v1 import log_pb2
from cotally.v1.refusals import Refused
from tests.fixtures.bundle import HOLDERS, NODES, Round, opening_entries, private_key

Entries = list[log_pb2.LogEntry]


def log(witnesses: tuple[str, ...] | None = None) -> tuple[log_pb2.Bundle, bytes, Entries]:
    bundle, fingerprint = (Round() if witnesses is None else Round(witnesses=witnesses)).bundle()
    return bundle, fingerprint, [*opening_entries(bundle), log_pb2.LogEntry(transcript=bundle.leaf)]


def test_the_entries_add_up_to_the_witnessed_root() -> None:
    bundle, fingerprint, entries = log()
    assert verify_log(bundle.charter, fingerprint, entries, bundle.checkpoint).size == 3


def cheaper(entries: Entries) -> None:
    entries[2].transcript.pico_rho -= 1


def shuffled(entries: Entries) -> None:
    entries[1:] = reversed(entries[1:])


@pytest.mark.parametrize("rewrite", [cheaper, shuffled, list.pop, lambda entries: entries.append(entries[1])])
def test_a_rewritten_log_is_refused(rewrite: Callable[[Entries], object]) -> None:
    bundle, fingerprint, entries = log()
    rewrite(entries)
    with pytest.raises(Refused):
        verify_log(bundle.charter, fingerprint, entries, bundle.checkpoint)


def witness(entries: Entries, size: int) -> log_pb2.WitnessedCheckpoint:
    """Return a checkpoint over *entries* that states *size*, signed by everybody: all are hostile."""
    top = base64.b64encode(root(map(entry_hash, entries))).decode()
    text = f"cotally/test\n{size}\n{top}\n"
    data = b"cotally cosignature v1\n" + text.encode()
    return log_pb2.WitnessedCheckpoint(
        checkpoint=log_pb2.Checkpoint(text=text, signature=private_key("board").sign(text.encode())),
        cosignatures=[log_pb2.Cosignature(witness=name, signature=private_key(name).sign(data))
                      for name in sorted(NODES + HOLDERS)])


def foreign_genesis(entries: Entries) -> Entries:
    entries[0].genesis.catalog = bytes(32)
    return entries


@pytest.mark.parametrize("rewrite, size, sentence", [
    (lambda entries: entries, 4, "speaks of 4"),
    (lambda entries: [], 0, "does not begin with a genesis"),
    (lambda entries: entries[1:], 2, "does not begin with a genesis"),
    (foreign_genesis, 3, "another federation's genesis"),
])
def test_even_a_witnessed_log_has_to_make_sense(
    rewrite: Callable[[Entries], Entries], size: int, sentence: str,
) -> None:
    bundle, fingerprint, entries = log()
    entries = rewrite(entries)
    with pytest.raises(Refused, match=sentence):
        verify_log(bundle.charter, fingerprint, entries, witness(entries, size))


def test_a_log_of_another_roster_or_too_few_witnesses_is_refused() -> None:
    bundle, fingerprint, entries = log()
    with pytest.raises(Refused, match="pinned"):
        verify_log(bundle.charter, bytes(32), entries, bundle.checkpoint)
    bundle, fingerprint, entries = log(NODES)
    with pytest.raises(Refused, match="are needed"):
        verify_log(bundle.charter, fingerprint, entries, bundle.checkpoint)


@pytest.mark.parametrize("witnesses", range(1, 15))
def test_two_quorums_share_an_honest_witness(witnesses: int) -> None:
    for hostile in range(witnesses):
        needed = quorum(witnesses, hostile)
        assert 2 * needed - witnesses > hostile  # shared members outnumber hostile ones
        assert 2 * (needed - 1) - witnesses <= hostile  # and one fewer would not do


@pytest.mark.parametrize("text", [
    "", "cotally/test\n3\n", "cotally/test\n03\n" + "A" * 43 + "=\n", "cotally/test\n3\n!\n",
    "cotally/test\n-1\n" + "A" * 43 + "=\n", "cotally/test\n3\n" + "A" * 43 + "=\n\n",
    "cotally/test\n3\n" + "A" * 40 + "\n", "cotally/other\n3\n" + "A" * 43 + "=\n",
])
def test_a_checkpoint_has_one_form(text: str) -> None:
    assert parse("cotally/test\n3\n" + "A" * 43 + "=\n", "test").size == 3
    with pytest.raises(Refused):
        parse(text, "test")
