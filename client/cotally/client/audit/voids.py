"""What is wrong with the word that a round was never decrypted and never will be: nothing, or a sentence.

Every key holder of the roster has to state it of this very round, once each and in order of their names,
signed. A step of the lineage changes no member, so any roster of the log names the same ones.
"""

from cotally.v1 import log_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import to_sign

from ..verify.signatures import Signatories

DOMAIN = "void"


def flaw(leaf: log_pb2.VoidLeaf, federation: str, members: Signatories) -> str:
    """Return what is wrong with *leaf*, as the end of a sentence; empty where nothing is."""
    holders = list(members.names(roster_pb2.ROLE_KEY_HOLDER))
    if [statement.body.key_holder for statement in leaf.statements] != holders:
        return f"without the word of all {len(holders)} key holders, once each"
    for statement in leaf.statements:
        body, due = statement.body, statement.body.key_holder
        if body != round_pb2.VoidBody(federation=federation, round=leaf.round, key_holder=due):
            return f"by what {due!r} stated of another round"
        if not members.signed_raw(due, to_sign(DOMAIN, body), statement.signature):
            return f"by a statement that {due!r} has not signed"
    return ""
