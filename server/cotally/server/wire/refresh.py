"""What key holders exchange to refresh their shares (`refresh.proto`), made and checked.

    offer -> deal -> add, prove -> gather

Every step takes the messages of the step before from all key holders of the roster, each once and
signed, for this very refresh of this very key; a deal names the offers that it answers, a proof the
deals that it added. A message of another refresh, of another federation, or of a set that somebody
else saw differently is refused by the name of its sender.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from cotally.server.crypto import refresh, sealing, trial
from cotally.server.crypto.keys import KeyShare, PublicKey
from cotally.server.crypto.sealing import RecipientKey
from cotally.server.crypto.signing import SigningKey
from cotally.server.crypto.transcript import frame
from cotally.v1 import refresh_pb2, roster_pb2
from cotally.v1.canonical import canonical, digest
from cotally.v1.refusals import Refusal, Refused

from . import keys as wire_keys
from .federation import Federation
from .numbers import from_bytes, to_bytes
from .signed import check as check_signature
from .signed import sign

Body = TypeVar("Body", refresh_pb2.RefreshOfferBody, refresh_pb2.RefreshDealBody,
               refresh_pb2.RefreshProofBody)


def terms(federation: Federation) -> refresh_pb2.RefreshTerms:
    """Which refresh comes next."""
    return refresh_pb2.RefreshTerms(federation=federation.name, public_key=federation.key_digest,
                                    refresh=federation.key.refreshes + 1)


def offer(federation: Federation, holder: str, key: SigningKey,
          recipient: RecipientKey) -> refresh_pb2.RefreshOffer:
    """The signed word of *holder* that it takes part, and the key that it receives sub-shares under."""
    refresh.check_possible(federation.key)
    body = refresh_pb2.RefreshOfferBody(
        terms=terms(federation), holder=holder, recipient_key=recipient.public)
    return refresh_pb2.RefreshOffer(body=body, signature=sign(key, "refresh-offer", body))


def deal(federation: Federation, holder: str, key: SigningKey,
         offers: Sequence[refresh_pb2.RefreshOffer]) -> refresh_pb2.RefreshDeal:
    """A fresh sharing of zero: commitments, and a sealed sub-share for everybody; all else is forgotten."""
    offered = check_offers(federation, offers)
    answered = _offers_digest(offered)
    zero = refresh.share_zero(federation.key)
    subshares = []
    for member in federation.members(roster_pb2.ROLE_KEY_HOLDER):
        secret = zero.at(member.share).to_bytes(_width(federation.key), "big")
        try:
            ephemeral, sealed = sealing.seal(secret, offered[member.name].recipient_key,
                                             _context(federation, holder, member.name))
        except Refused as refused:
            raise Refused(refused.refusal, f"{member.name}: {refused.message}") from None
        subshares.append(refresh_pb2.SealedSubshare(holder=member.name, ephemeral=ephemeral, sealed=sealed))
    body = refresh_pb2.RefreshDealBody(
        terms=terms(federation), holder=holder, offers=answered,
        commitments=[to_bytes(c) for c in zero.commitments], subshares=subshares)
    return refresh_pb2.RefreshDeal(body=body, signature=sign(key, "refresh-deal", body))


def add(federation: Federation, holder: str, share: KeyShare, recipient: RecipientKey,
        offers: Sequence[refresh_pb2.RefreshOffer],
        deals: Sequence[refresh_pb2.RefreshDeal]) -> tuple[PublicKey, KeyShare]:
    """The refreshed key and *holder*'s share of it; refuses by name whoever dealt it something wrong."""
    if check_offers(federation, offers)[holder].recipient_key != recipient.public:
        raise Refused(Refusal.REPLAYED, f"the offer of {holder} is not the one that it made last")
    dealt = check_deals(federation, deals, offers)
    subshares = {}
    for dealer, body in dealt.items():
        ours = next(s for s in body.subshares if s.holder == holder)
        try:
            secret = recipient.open(ours.ephemeral, ours.sealed, _context(federation, dealer, holder))
        except Refused:
            raise Refused(Refusal.BAD_PROOF,
                          f"{dealer} dealt a sub-share that {holder} cannot open") from None
        if len(secret) != _width(federation.key):
            raise Refused(Refusal.BAD_PROOF, f"{dealer} dealt a sub-share of a wrong length")
        subshares[dealer] = int.from_bytes(secret, "big")
    commitments = {dealer: _commitments(body) for dealer, body in dealt.items()}
    refreshed = refresh.refreshed_share(federation.key, share, subshares, commitments)
    return refresh.refreshed_key(federation.key, list(commitments.values())), refreshed


def prove(federation: Federation, holder: str, key: SigningKey, public: PublicKey, share: KeyShare,
          deals: Sequence[refresh_pb2.RefreshDeal]) -> refresh_pb2.RefreshProof:
    """The trial decryptions of the refreshed *share*, which also check it against *public*."""
    body = refresh_pb2.RefreshProofBody(
        terms=terms(federation), holder=holder, deals=_deals_digest({d.body.holder: d.body for d in deals}),
        trial=trial.make(public, [share]))
    return refresh_pb2.RefreshProof(body=body, signature=sign(key, "refresh-proof", body))


def gather(federation: Federation, offers: Sequence[refresh_pb2.RefreshOffer],
           deals: Sequence[refresh_pb2.RefreshDeal],
           proofs: Sequence[refresh_pb2.RefreshProof]) -> roster_pb2.PublicKey:
    """The refreshed public key with everybody's trial decryptions; refuses by name whose do not verify."""
    dealt = check_deals(federation, deals, offers)
    public = refresh.refreshed_key(federation.key, [_commitments(b) for b in dealt.values()])
    proved = _everybody(federation, [(m.body, m.signature) for m in proofs], "proof")
    added = _deals_digest(dealt)
    for holder, body in proved.items():
        if body.deals != added:
            raise Refused(Refusal.EQUIVOCATION, f"{holder} added other deals than these")
        try:
            trial.verify_answer(public, _share_of(federation, holder), body.trial)
        except Refused as refused:
            raise Refused(refused.refusal, f"{holder}: {refused.message}") from None
    in_order = sorted(proved, key=lambda holder: _share_of(federation, holder))
    return wire_keys.to_message(public, federation.charter.public_key.wellformed,
                                b"".join(proved[holder].trial for holder in in_order))


def check_offers(federation: Federation, offers: Sequence[refresh_pb2.RefreshOffer],
                 ) -> dict[str, refresh_pb2.RefreshOfferBody]:
    """Every key holder's offer by name; refuses anything else, and one recipient key in two offers."""
    offered = _everybody(federation, [(m.body, m.signature) for m in offers], "offer")
    if len({body.recipient_key for body in offered.values()}) != len(offered):
        raise Refused(Refusal.EQUIVOCATION, "two key holders offer one recipient key")
    return offered


def check_deals(federation: Federation, deals: Sequence[refresh_pb2.RefreshDeal],
                offers: Sequence[refresh_pb2.RefreshOffer]) -> dict[str, refresh_pb2.RefreshDealBody]:
    """Every key holder's deal by name, made for these offers, with a sub-share for everybody."""
    answered = _offers_digest(check_offers(federation, offers))
    dealt = _everybody(federation, [(m.body, m.signature) for m in deals], "deal")
    names = [m.name for m in federation.members(roster_pb2.ROLE_KEY_HOLDER)]
    for dealer, body in dealt.items():
        if body.offers != answered:
            raise Refused(Refusal.EQUIVOCATION, f"{dealer} dealt for other offers than these")
        if [s.holder for s in body.subshares] != names:
            raise Refused(Refusal.MALFORMED, f"{dealer} did not deal one sub-share to each key holder")
        refresh.check_commitments(federation.key, _commitments(body), dealer)
    return dealt


def _everybody(federation: Federation, messages: Sequence[tuple[Body, bytes]], what: str) -> dict[str, Body]:
    """The *messages* (body and signature) by holder, sorted: one of each key holder, of the next refresh."""
    due = terms(federation)
    found: dict[str, Body] = {}
    for body, signature in messages:
        member = federation.member(body.holder, roster_pb2.ROLE_KEY_HOLDER)
        check_signature(member, f"refresh-{what}", body, signature)
        if body.terms != due:
            raise Refused(Refusal.REPLAYED, f"the {what} of {body.holder} is for another refresh: start anew "
                          "with refresh-offer in an empty folder")
        if body.holder in found:
            raise Refused(Refusal.EQUIVOCATION, f"there are two {what}s of {body.holder}")
        found[body.holder] = body
    missing = [m.name for m in federation.members(roster_pb2.ROLE_KEY_HOLDER) if m.name not in found]
    if missing:
        raise Refused(Refusal.TOO_FEW_KEY_HOLDERS, f"there is no {what} of {', '.join(missing)}")
    return {name: found[name] for name in sorted(found)}


def _offers_digest(offered: Mapping[str, refresh_pb2.RefreshOfferBody]) -> bytes:
    bodies = [offered[name] for name in sorted(offered)]
    return digest("refresh-offers", refresh_pb2.RefreshOffers(bodies=bodies))


def _deals_digest(dealt: Mapping[str, refresh_pb2.RefreshDealBody]) -> bytes:
    bodies = [dealt[name] for name in sorted(dealt)]
    return digest("refresh-deals", refresh_pb2.RefreshDeals(bodies=bodies))


def _commitments(body: refresh_pb2.RefreshDealBody) -> list[int]:
    return [from_bytes(c, f"a commitment of {body.holder}") for c in body.commitments]


def _context(federation: Federation, dealer: str, holder: str) -> bytes:
    """What a sealed sub-share is bound to."""
    return canonical(terms(federation)) + frame(dealer.encode(), holder.encode())


def _width(public: PublicKey) -> int:
    """Bytes of a sub-share: the same for all, so that its size tells nothing."""
    return (public.subshare_bound.bit_length() + 7) // 8


def _share_of(federation: Federation, holder: str) -> int:
    return federation.member(holder, roster_pb2.ROLE_KEY_HOLDER).share
