"""`cotally keyholder run CONFIG`: wiring."""

import getpass
import sys
from pathlib import Path

from cotally.server.audit import follower_store
from cotally.server.rpc import channel, credentials
from cotally.server.rpc.logs import Log
from cotally.server.rpc.running import Ready, RunCommand
from cotally.server.settings import config, party
from cotally.server.store.database import open_database
from cotally.v1 import roster_pb2
from cotally.v1.refusals import Misconfigured

from .decryptions import Decryptions
from .service import KeyHolderService
from .session import KeyHolderSession
from .shares import Shares


async def _serve(path: Path, log: Log, ready: Ready) -> None:
    settings = config.keyholder(path)
    common = settings.common
    us = party.load(common, roster_pb2.ROLE_KEY_HOLDER)
    log = Log("keyholder", us.member.name)
    tls = credentials.load(common.ca, common.certificate, common.key)
    followers = follower_store.FollowerStore(open_database(us.state / "log.db", follower_store.SCHEMA))
    follower = followers.load(us.federation.charter)
    federation = us.in_force(follower.roster)
    shares = Shares(settings.share, passphrase(settings))
    session = KeyHolderSession(federation, us.member.name, us.signing, shares.open(federation),
                               Decryptions(us.state / "decryptions.db"), follower)
    shares.settle(federation)
    async with channel.connect(settings.coordinator, tls) as line:
        service = KeyHolderService(session, us, shares, followers, log)
        await service.serve(line, settings.coordinator, tls, lambda: us.ready(ready))


def passphrase(settings: config.KeyHolderConfig) -> bytes:
    """What opens this holder's share: from its file, or asked for at the terminal."""
    if settings.passphrase_file is not None:
        return credentials.read_private(settings.passphrase_file).strip()
    if not sys.stdin.isatty():
        raise Misconfigured(f"{settings.common.path}: name a passphrase_file, or start on a terminal")
    return getpass.getpass(f"passphrase of {settings.share}: ").encode()


run_command = RunCommand("keyholder", "keyholder.toml", "run one key holder, until interrupted", _serve)
