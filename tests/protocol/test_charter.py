"""What every party believes before any round: the pinned charter, and no other key, catalog or member.

Who swaps the key or h_s has to get past the fingerprint; a dealer who proposes a bad one, past the
departments' approvals and the proofs that every party checks by itself.
"""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from cotally.server.crypto.signing import SigningKey
from cotally.server.wire import charter as charters
from cotally.server.wire import keys as wire_keys
from cotally.server.wire.federation import VERSION
from cotally.server.wire.signed import sign
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured, Refused
from tests.fixtures.keys import full_dealt, small_dealt
from tests.protocol.lab import DEPARTMENTS, catalog

HOLDERS = ("holder-1", "holder-2", "holder-3")
Alter = Callable[[roster_pb2.Charter], object]


@cache
def key_of(name: str) -> SigningKey:
    """One signing key for each name."""
    return SigningKey.generate()


@cache
def proposed() -> roster_pb2.Charter:
    """A charter that nobody has approved yet, over a key of 2048 bits."""
    dealt = full_dealt()
    roles = {"ada": roster_pb2.ROLE_ANALYST, "coordinator": roster_pb2.ROLE_COORDINATOR,
             **dict.fromkeys(DEPARTMENTS, roster_pb2.ROLE_NODE),
             **dict.fromkeys(HOLDERS, roster_pb2.ROLE_KEY_HOLDER)}
    members = [roster_pb2.Member(
        name=name, role=roles[name], signing_key=key_of(name).public, tls_key=bytes([i + 1]) * 32,
        share=HOLDERS.index(name) + 1 if name in HOLDERS else 0) for i, name in enumerate(sorted(roles))]
    return roster_pb2.Charter(
        roster=roster_pb2.Roster(version=VERSION, federation="lab", epoch=1, members=members,
                                 policy=roster_pb2.Policy(min_departments=3, colluding=1, delta="0.00001",
                                                          round_ms=20_000, tick_ms=50, threshold=2,
                                                          encryption=roster_pb2.ENCRYPTION_DJN)),
        catalog=catalog(), public_key=wire_keys.to_message(dealt.public, dealt.wellformed, dealt.trial))


def approved(alter: Alter = lambda charter: None) -> roster_pb2.Charter:
    """The charter, altered by its dealer before the digests are taken and the departments approve it."""
    charter = copy.deepcopy(proposed())
    alter(charter)
    roster = charter.roster
    roster.catalog = digest("catalog", charter.catalog)
    roster.public_key = digest("public_key", charter.public_key)
    for department in DEPARTMENTS:
        charter.approvals.add(department=department, signature=sign(key_of(department), "roster", roster))
    return charter


def other_key(charter: roster_pb2.Charter) -> None:
    dealt = small_dealt()
    charter.public_key.CopyFrom(wire_keys.to_message(dealt.public, dealt.wellformed, dealt.trial))


def one_bit(data: bytes) -> bytes:
    return bytes([*data[:-1], data[-1] ^ 1])


def test_the_pinned_charter_is_believed(tmp_path: Path) -> None:
    charter = approved()
    path = tmp_path / "charter.bin"
    path.write_bytes(charter.SerializeToString())
    federation = charters.load(path, digest("roster", charter.roster))
    assert federation.key == full_dealt().public and federation.name == "lab"


# Swapped under a fingerprint that was pinned before


SWAPS: dict[str, tuple[str, Alter]] = {
    "another key": ("Paillier key", other_key),
    "another epoch of the key, hence another h_s":
        ("Paillier key", lambda c: setattr(c.public_key, "epoch", 2)),
    "another base of verification":
        ("Paillier key", lambda c: setattr(c.public_key, "base", one_bit(c.public_key.base))),
    "another catalog": ("catalog", lambda c: setattr(c.catalog.tables[0], "max_people", 1)),
    "a lower minimum": ("catalog", lambda c: setattr(c.catalog.tables[0], "min_departments", 2)),
    "another roster": ("fingerprint", lambda c: setattr(c.roster, "epoch", 2)),
    "no colluding departments": ("fingerprint", lambda c: setattr(c.roster.policy, "colluding", 0)),
    "a member's key": ("fingerprint", lambda c: setattr(c.roster.members[4], "signing_key", b"k" * 32)),
    "no roster": ("fingerprint", lambda c: c.ClearField("roster")),
    "no key": ("Paillier key", lambda c: c.ClearField("public_key")),
    "no catalog": ("catalog", lambda c: c.ClearField("catalog")),
    "no approvals": ("roster is not signed by health", lambda c: c.ClearField("approvals")),
    "one approval missing": ("roster is not signed by tax", lambda c: c.approvals.pop()),
    "an approval by a colleague":
        ("not signed by tax", lambda c: setattr(c.approvals[2], "signature", c.approvals[1].signature)),
}


@pytest.mark.parametrize("what", SWAPS)
def test_what_was_swapped_under_the_pinned_fingerprint_is_refused(tmp_path: Path, what: str) -> None:
    sentence, alter = SWAPS[what]
    charter = approved()
    pinned = digest("roster", charter.roster)
    alter(charter)
    path = tmp_path / "charter.bin"
    path.write_bytes(charter.SerializeToString())
    with pytest.raises(Misconfigured, match=sentence) as refused:
        charters.load(path, pinned)
    assert refused.value.message.startswith(str(path))


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x0a\x02\x08"])
def test_a_damaged_charter_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "charter.bin"
    path.write_bytes(data)
    with pytest.raises(Misconfigured, match=r"charter\.bin"):
        charters.load(path, bytes(32))
    with pytest.raises(Misconfigured, match="no charter here"):
        charters.load(tmp_path / "missing.bin", bytes(32))
    with pytest.raises(Misconfigured, match="cannot be read"):
        charters.load(tmp_path, bytes(32))


# Proposed by a hostile or careless dealer, and approved by departments that did not look


def twin(charter: roster_pb2.Charter, field: str) -> None:
    """`tax` and `north` are one party under two names."""
    north, tax = (next(m for m in charter.roster.members if m.name == n) for n in ("north", "tax"))
    setattr(tax, field, getattr(north, field))


def nobody_coordinates(charter: roster_pb2.Charter) -> None:
    next(m for m in charter.roster.members if m.name == "coordinator").role = roster_pb2.ROLE_ANALYST


def one_share_twice(charter: roster_pb2.Charter) -> None:
    next(m for m in charter.roster.members if m.name == "holder-2").share = 1


BAD: dict[str, tuple[str, Alter]] = {
    "no mode of encryption": ("does not say how departments encrypt", lambda c: c.roster.policy.ClearField(
        "encryption")),
    "a mode of encryption that nobody knows": ("does not say how departments encrypt", lambda c: setattr(
        c.roster.policy, "encryption", 9)),
    "a key too small to hide anything": ("1024 bits", other_key),
    "a modulus that is not proved": ("square-free", lambda c: setattr(
        c.public_key, "wellformed", bytes([c.public_key.wellformed[0] ^ 1, *c.public_key.wellformed[1:]]))),
    "a modulus without proof": ("wrong length", lambda c: setattr(c.public_key, "wellformed", b"")),
    "a key of another epoch than its proofs": ("square-free", lambda c: setattr(c.public_key, "epoch", 2)),
    "a base with a trapdoor": ("base of verification", lambda c: setattr(
        c.public_key, "base", one_bit(c.public_key.base))),
    "a share off the polynomial": ("verification value 2", lambda c: c.public_key.verification.__setitem__(
        1, c.public_key.verification[0])),
    "shares that do not decrypt": ("share 3", lambda c: setattr(
        c.public_key, "trial", one_bit(c.public_key.trial))),
    "no verification values": ("number of verification values",
                               lambda c: c.public_key.ClearField("verification")),
    "two members of one name": ("name", lambda c: twin(c, "name")),
    "two members with one signing key": ("signing key", lambda c: twin(c, "signing_key")),
    "two members with one TLS key": ("TLS key", lambda c: twin(c, "tls_key")),
    "a member without a TLS key": ("TLS key", lambda c: setattr(c.roster.members[0], "tls_key", b"")),
    "no coordinator": ("coordinator", nobody_coordinates),
    "one share in two hands": ("key holders or threshold", one_share_twice),
    "a threshold that is not the key's":
        ("key holders or threshold", lambda c: setattr(c.roster.policy, "threshold", 1)),
    "another protocol": ("protocol version 2", lambda c: setattr(c.roster, "version", 2)),
    "another federation's catalog":
        ("catalog is of 'zoo'", lambda c: setattr(c.catalog, "federation", "zoo")),
    "a delta of one": ("makes no sense", lambda c: setattr(c.roster.policy, "delta", "1")),
    "a delta of nought": ("makes no sense", lambda c: setattr(c.roster.policy, "delta", "0")),
    "no delta": ("decimal", lambda c: setattr(c.roster.policy, "delta", "")),
    "no tick": ("makes no sense", lambda c: setattr(c.roster.policy, "tick_ms", 0)),
    "a tick longer than a round": ("makes no sense", lambda c: setattr(c.roster.policy, "tick_ms", 20_001)),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_charter_is_refused_although_everybody_approved_it(what: str) -> None:
    sentence, alter = BAD[what]
    charter = approved(alter)
    with pytest.raises((Misconfigured, Refused), match=sentence):
        charters.check(charter, digest("roster", charter.roster))
