"""Key holders who refresh wrongly, and keys that come of it: refused, and the culprit named."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cotally.server.wire import refresh, succession
from cotally.server.wire.signed import sign
from cotally.v1 import refresh_pb2, roster_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import Lab
from tests.protocol.planting import refused_as
from tests.protocol.succeeding import HOLDERS, Exchange, approved, lasting, refreshed, shares_of


@pytest.fixture
def lab(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A federation that outlives its key."""
    return lasting(folder, monkeypatch)


def resigned(lab: Lab, message: refresh_pb2.RefreshOffer | refresh_pb2.RefreshDeal | refresh_pb2.RefreshProof,
             domain: str) -> None:
    message.signature = sign(lab.keys[message.body.holder], domain, message.body)


def test_a_holder_that_deals_wrongly_is_named(lab: Lab) -> None:
    share = shares_of(lab)[0]
    honest = Exchange(lab)
    other = Exchange(lab)
    honest.add("holder-1", share)

    def dealt(alter: Callable[[refresh_pb2.RefreshDeal], object]) -> None:
        exchange = copy.copy(honest)
        exchange.deals = copy.deepcopy(honest.deals)
        alter(exchange.deals[1])
        resigned(lab, exchange.deals[1], "refresh-deal")
        exchange.add("holder-1", share)

    def swap(deal: refresh_pb2.RefreshDeal) -> None:
        """holder-1 gets what was sealed for holder-3."""
        deal.body.subshares[0].CopyFrom(deal.body.subshares[2])
        deal.body.subshares[0].holder = "holder-1"

    def from_another_deal(deal: refresh_pb2.RefreshDeal) -> None:
        again = refresh.deal(lab.federation, "holder-2", lab.keys["holder-2"], honest.offers)
        deal.body.subshares[0].CopyFrom(again.body.subshares[0])

    for refusal, sentence, alter in (
        (Refusal.BAD_PROOF, "holder-2 dealt a sub-share that holder-1 cannot open", swap),
        (Refusal.BAD_PROOF, "holder-2 dealt a sub-share to share 1 that its commitments", from_another_deal),
        (Refusal.MALFORMED, "holder-2 did not deal one sub-share to each",
         lambda d: d.body.subshares.__delitem__(2)),
        (Refusal.MALFORMED, "holder-2 commits to 0", lambda d: d.body.ClearField("commitments")),
        (Refusal.EQUIVOCATION, "holder-2 dealt for other offers", lambda d: d.CopyFrom(other.deals[1])),
    ):
        refused_as(refusal, partial(dealt, alter), sentence)


def test_messages_of_another_refresh_or_of_strangers_are_refused(lab: Lab) -> None:
    before = Exchange(lab)
    share = shares_of(lab)
    refreshed(lab)
    now = Exchange(lab)
    now.deals[2] = before.deals[2]
    refused_as(Refusal.REPLAYED, lambda: now.add("holder-1", shares_of(lab)[0]), "deal of holder-3")
    now.offers[2] = before.offers[2]
    refused_as(Refusal.REPLAYED, lambda: refresh.check_offers(lab.federation, now.offers),
               "offer of holder-3")
    fresh = Exchange(lab)
    refused_as(Refusal.TOO_FEW_KEY_HOLDERS, lambda: refresh.check_offers(lab.federation, fresh.offers[:2]),
               "no offer of holder-3")
    refused_as(Refusal.EQUIVOCATION, lambda: refresh.check_offers(
        lab.federation, [*fresh.offers, fresh.offers[0]]), "two offers of holder-1")
    forged = copy.deepcopy(fresh.offers)
    forged[0].body.recipient_key = fresh.recipients["holder-2"].public
    refused_as(Refusal.CREDENTIALS, lambda: refresh.check_offers(lab.federation, forged), "holder-1")
    resigned(lab, forged[0], "refresh-offer")
    refused_as(Refusal.EQUIVOCATION, lambda: refresh.check_offers(lab.federation, forged),
               "one recipient key")
    with pytest.raises(Exception, match="does not belong"):
        fresh.add("holder-1", share[0])  # the share from before


def test_a_holder_that_offers_a_useless_key_is_named(lab: Lab) -> None:
    offers = Exchange(lab).offers
    for useless in (bytes(32), bytes(31)):  # a point of small order, and none
        offers[1].body.recipient_key = useless
        resigned(lab, offers[1], "refresh-offer")
        refused_as(Refusal.MALFORMED, lambda: refresh.deal(
            lab.federation, "holder-1", lab.keys["holder-1"], offers), "holder-2")


def test_a_former_offer_put_in_place_of_the_present_one_blames_no_dealer(lab: Lab) -> None:
    """Somebody swapped a file of an attempt that was given up: signed, and for this very refresh."""
    former, share = Exchange(lab).offers[0], shares_of(lab)[0]
    exchange = Exchange(lab)
    exchange.offers[0] = former
    exchange.deals = [refresh.deal(lab.federation, n, lab.keys[n], exchange.offers) for n in HOLDERS]
    refused_as(Refusal.REPLAYED, lambda: exchange.add("holder-1", share), "offer of holder-1")


def test_a_holder_that_did_not_add_cannot_prove_it(lab: Lab) -> None:
    exchange = Exchange(lab)
    added = [exchange.add(name, share) for name, share in zip(HOLDERS, shares_of(lab), strict=True)]
    proofs = [proof for _, proof in added]
    exchange.gather(proofs)

    def gathered(alter: Callable[[refresh_pb2.RefreshProof], object]) -> None:
        shown = copy.deepcopy(proofs)
        alter(shown[1])
        resigned(lab, shown[1], "refresh-proof")
        exchange.gather(shown)

    data = proofs[1].body.trial
    refused_as(Refusal.BAD_PROOF, lambda: gathered(
        lambda p: setattr(p.body, "trial", data[:-1] + bytes([data[-1] ^ 1]))), "holder-2")
    refused_as(Refusal.BAD_PROOF, lambda: gathered(
        lambda p: setattr(p.body, "trial", proofs[0].body.trial)), "holder-2")
    refused_as(Refusal.EQUIVOCATION, lambda: gathered(
        lambda p: setattr(p.body, "deals", b"d" * 32)), "holder-2 added other deals")


def test_a_refreshed_charter_with_a_false_key_is_refused_although_everybody_approved_it(lab: Lab) -> None:
    """Every party checks the ceremony's proofs again at a succession: size, Feldman, trial decryptions."""
    exchange = Exchange(lab)
    key = exchange.gather([exchange.add(n, s)[1] for n, s in zip(HOLDERS, shares_of(lab), strict=True)])
    succession.check_successor(lab.federation, approved(lab, succession.succeed(lab.charter, key)))
    alterations: dict[str, Callable[[roster_pb2.PublicKey], object]] = {
        "square-free": lambda k: setattr(k, "wellformed", bytes([k.wellformed[0] ^ 1]) + k.wellformed[1:]),
        "verification value 2": lambda k: k.verification.__setitem__(1, k.verification[0]),
        "share 3": lambda k: setattr(k, "trial", k.trial[:-1] + bytes([k.trial[-1] ^ 1])),
        "wrong length": lambda k: setattr(k, "refreshes", 10_000),
        "cannot be refreshed": lambda k: setattr(k, "refreshes", 10_001),
    }
    for sentence, alter in alterations.items():
        false = copy.deepcopy(key)
        alter(false)
        charter = approved(lab, succession.succeed(lab.charter, false))
        with pytest.raises(Refused, match=sentence):
            succession.check_successor(lab.federation, charter)
