"""The word of all n key holders that a round was not decrypted and never will be.

Each of them has marked the round, durably and exclusively with a decryption, before it signs. Of n
statements at least n - t + 1 are of honest holders: fewer than t shares remain that would ever be used.
"""

from collections.abc import Iterable

from cotally.server.crypto import signing
from cotally.server.crypto.signing import SigningKey
from cotally.v1 import log_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import NotCanonical, to_sign
from cotally.v1.refusals import Refusal, Refused

DOMAIN = "void"


def state_void(federation: str, round_: bytes, name: str, key: SigningKey) -> round_pb2.VoidStatement:
    """The signed statement of key holder *name*, who must have marked the round before."""
    body = round_pb2.VoidBody(federation=federation, round=round_, key_holder=name)
    return round_pb2.VoidStatement(body=body, signature=key.sign(to_sign(DOMAIN, body)))


def check_statement(roster: roster_pb2.Roster, round_: bytes, statement: round_pb2.VoidStatement) -> None:
    """Refuse a statement that is not one of the roster's key holders' on this very round."""
    body = statement.body
    if (body.federation, body.round) != (roster.federation, round_):
        raise Refused(Refusal.EQUIVOCATION, f"{body.key_holder} voids another round")
    member = next((m for m in roster.members if m.name == body.key_holder
                   and m.role == roster_pb2.ROLE_KEY_HOLDER), None)
    if member is None:
        raise Refused(Refusal.CREDENTIALS, f"{body.key_holder!r} is no key holder of the roster")
    try:
        data = to_sign(DOMAIN, body)
    except NotCanonical as reason:
        raise Refused(Refusal.MALFORMED, f"a void statement is not canonical: {reason}") from None
    if not signing.verify(member.signing_key, data, statement.signature):
        raise Refused(Refusal.CREDENTIALS, f"the void statement is not signed by {member.name}")


def void_leaf(round_: bytes, statements: Iterable[round_pb2.VoidStatement]) -> log_pb2.VoidLeaf:
    """The log entry that gives a round's price back."""
    return log_pb2.VoidLeaf(round=round_, statements=sorted(statements, key=lambda s: s.body.key_holder))


def check_void(roster: roster_pb2.Roster, leaf: log_pb2.VoidLeaf) -> None:
    """Refuse a void leaf without the statement of *every* key holder, once each, in order of names."""
    holders = sorted(m.name for m in roster.members if m.role == roster_pb2.ROLE_KEY_HOLDER)
    stated = [s.body.key_holder for s in leaf.statements]
    if stated != holders or not leaf.round:
        raise Refused(Refusal.CREDENTIALS,
                      f"a round is void by the word of all {len(holders)} key holders; "
                      f"these are of {', '.join(stated) or 'nobody'}")
    for statement in leaf.statements:
        check_statement(roster, leaf.round, statement)
