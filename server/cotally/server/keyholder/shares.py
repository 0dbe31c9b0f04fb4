"""Where a key holder's share lies: the one in use, and one beside it that waits for its charter.

A refresh or a rotation lays the new share beside the old one, under its name, the key's epoch and count
of refreshes, and the first digits of what binds it to its key. When the charter of that key is in
force, it takes the old one's place.
"""

import asyncio
import re
from pathlib import Path
from typing import Final

from cotally.server.crypto import plaintext_proof, sharefile, threshold
from cotally.server.crypto.keys import KeyShare, PublicKey
from cotally.server.rpc.logs import Log
from cotally.server.wire import keys as wire_keys
from cotally.server.wire.federation import Federation
from cotally.v1.refusals import Misconfigured

POLL_S: Final = 1.0
_WAITING: Final = r"\.([0-9]+)-([0-9]+)-[0-9a-f]{16}"  # epoch, refreshes, first digits of the binding


def beside(path: Path, public: PublicKey) -> Path:
    """Where the share of the key *public* waits until it may take the place of *path*."""
    digits = wire_keys.share_binding(public).hex()[:16]
    return path.with_name(f"{path.name}.{public.epoch}-{public.refreshes}-{digits}")


def place(path: Path, public: PublicKey) -> Path:
    """Where the share of that key lies now, beside or in use. Misconfigured where there is none."""
    waiting, binding = beside(path, public), wire_keys.share_binding(public)
    for candidate in (waiting, path):
        if candidate.exists() and sharefile.belongs(candidate, binding):
            return candidate
    if not path.exists():
        raise Misconfigured(f"{path}: there is no key share here")
    what = "the key share belongs to another public key than the roster's"
    if public.refreshes:  # a share file does not tell the modulus of its key
        what = f"this is an old share; it was refreshed since (refresh {public.refreshes} is in force)"
    raise Misconfigured(f"{path}: {what}, and there is no {waiting.name} beside it")


class Shares:
    """The share files of one key holder, all under one passphrase."""

    def __init__(self, path: Path, passphrase: bytes) -> None:
        self._path = path
        self._passphrase = passphrase

    def open(self, federation: Federation) -> KeyShare:
        """The share of *federation*'s key, checked against it; Misconfigured says what is wrong."""
        binding = federation.share_binding
        share = sharefile.read(place(self._path, federation.key), self._passphrase, binding)
        threshold.check_share(federation.key, share)
        plaintext_proof.warm(federation.key)
        return share

    async def awaited(self, federation: Federation, log: Log) -> KeyShare:
        """The share of a successor's key, as soon as somebody lays it here; one warning until then."""
        told = ""
        while True:
            try:
                return await asyncio.to_thread(self.open, federation)
            except Misconfigured as reason:
                if reason.message != told:
                    log.warning("no_share_yet", message=reason.message)
                told = reason.message
            await asyncio.sleep(POLL_S)

    def settle(self, federation: Federation) -> None:
        """Put the share of the key in force in its place: in one step, which removes the one before.

        Shares that can no longer come into force go too: keys advance in epoch, then in refreshes. The
        share of a later key may wait already, and is the only copy.
        """
        here = place(self._path, federation.key)
        if here != self._path:
            here.replace(self._path)
        in_force = federation.key.epoch, federation.key.refreshes
        for other in self._path.parent.iterdir():
            waiting = re.fullmatch(re.escape(self._path.name) + _WAITING, other.name)
            if waiting and (int(waiting[1]), int(waiting[2])) <= in_force:
                other.unlink()
