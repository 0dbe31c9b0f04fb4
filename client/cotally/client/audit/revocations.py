"""What is wrong with a list of what its issuer takes back: nothing, or a sentence.

A department takes back grants of its own, the coordinator members; each signs its lists, for this
federation, with a serial, times, and entries in order.
"""

from collections.abc import Iterable
from typing import Final

from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.canonical import to_sign

from ..verify.signatures import Signatories

DOMAIN: Final = "revocation"
MAX_ENTRIES: Final = 1_000


def flaw(signed: query_pb2.SignedRevocation, federation: str, members: Signatories) -> str:
    """Return what is wrong with *signed* by itself, as the end of a sentence; empty where nothing is."""
    body = signed.body
    is_department = body.issuer in members.names(roster_pb2.ROLE_NODE)
    if not is_department and body.issuer != members.coordinator:
        return f"of {body.issuer!r}, who may not issue one"
    if not members.signed_raw(body.issuer, to_sign(DOMAIN, body), signed.signature):
        return f"that {body.issuer!r} has not signed"
    if body.federation != federation:
        return "of another federation"
    if body.members if is_department else (body.grants or body.analysts):
        return f"of what is not for {body.issuer!r} to take back"
    analysts = [(each.analyst, each.purpose) for each in body.analysts]
    if not all(map(_ascends, (body.grants, analysts, body.members))):
        return "whose entries are out of order"
    if not body.serial or body.next_update_ms <= body.issued_ms:
        return "without a serial or times"
    if len(body.grants) + len(analysts) + len(body.members) > MAX_ENTRIES:
        return f"of more than {MAX_ENTRIES} entries"
    return ""


def _ascends(entries: Iterable[object]) -> bool:
    listed: list[object] = list(entries)
    return listed == sorted(set(listed))  # type: ignore[type-var]
