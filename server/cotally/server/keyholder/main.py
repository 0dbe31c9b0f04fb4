"""`cotally keyholder run CONFIG`: wiring."""

import argparse
import getpass
import sys
from pathlib import Path

from cotally.server.audit import follower_store
from cotally.server.crypto import ceremony, sharefile
from cotally.server.rpc import channel, credentials, lifetime
from cotally.server.rpc.logs import Log
from cotally.server.settings import config, party
from cotally.server.store.database import open_database
from cotally.v1 import roster_pb2
from cotally.v1.refusals import Misconfigured

from .decryptions import Decryptions
from .service import KeyHolderService
from .session import KeyHolderSession


class Run:
    """`cotally keyholder run`."""

    name = "run"
    help = "run one key holder, until interrupted"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare CONFIG."""
        parser.add_argument("config", type=Path,
                            help="keyholder.toml, as `cotally federation init` writes it")

    def run(self, args: argparse.Namespace) -> int:
        """Serve until a signal comes; return the exit code."""
        return lifetime.run(_serve(args.config, log := Log("keyholder", args.config.parent.name)), log)


async def _serve(path: Path, log: Log) -> None:
    settings = config.keyholder(path)
    common = settings.common
    us = party.load(common, roster_pb2.ROLE_KEY_HOLDER)
    log = Log("keyholder", us.member.name)
    tls = credentials.load(common.ca, common.certificate, common.key)
    share = sharefile.read(settings.share, _passphrase(settings), us.federation.key_digest)
    ceremony.check_share(us.federation.key, share)
    followers = follower_store.FollowerStore(open_database(us.state / "log.db", follower_store.SCHEMA))
    session = KeyHolderSession(us.federation, us.member.name, us.signing, share,
                               Decryptions(us.state / "decryptions.db"),
                               followers.load(us.federation.charter))
    async with channel.connect(settings.coordinator, tls) as line:
        await KeyHolderService(session, followers, log).serve(line, settings.coordinator, tls, us.ready)


def _passphrase(settings: config.KeyHolderConfig) -> bytes:
    if settings.passphrase_file is not None:
        return credentials.read_private(settings.passphrase_file).strip()
    if not sys.stdin.isatty():
        raise Misconfigured(f"{settings.common.path}: name a passphrase_file, or start on a terminal")
    return getpass.getpass(f"passphrase of {settings.share}: ").encode()


run_command = Run()
