"""`cotally coordinator run CONFIG`: wiring."""

import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc.aio

from cotally.server.audit import log as audit_log
from cotally.server.audit.follower import Follower, beginning
from cotally.server.crypto import equality_proof, parallel, plaintext_proof
from cotally.server.crypto.keys import PublicKey
from cotally.server.rpc import credentials
from cotally.server.rpc.entrance import Entrance
from cotally.server.rpc.logs import Log
from cotally.server.rpc.running import Ready, RunCommand
from cotally.server.rpc.server import serve
from cotally.server.settings import config, party
from cotally.server.settings.revocations import LIST
from cotally.server.store.database import open_database
from cotally.v1 import (
    analyst_pb2_grpc,
    audit_pb2_grpc,
    keyholder_pb2_grpc,
    node_pb2_grpc,
    roster_pb2,
)

from .admission import Gate
from .board import Board
from .conduct import Conductor
from .in_force import InForce
from .live import LiveRounds
from .policies import POLICY, Policies
from .pricing import Pricing
from .public import AnalystService, AuditService
from .revoking import Revoking
from .rounds import Rounds
from .service import KeyHolderService, NodeService
from .succession import Successions
from .witnessing import Witnessing

SWITCH_S = 0.0005  # how long what arrives waits for a thread that computes; Python's own is ten times that


async def _serve(path: Path, log: Log, ready: Ready) -> None:
    settings = config.coordinator(path)
    common = settings.common
    us = party.load(common, roster_pb2.ROLE_COORDINATOR)
    tls = credentials.load(common.ca, common.certificate, common.key)
    audit = audit_log.AuditLog(open_database(us.state / "audit.db", audit_log.SCHEMA))
    if audit.size == 0:
        for entry in beginning(us.federation.charter):
            audit.append(entry)
    follower = Follower(us.federation.charter)
    rounds = Rounds(us.state / "rounds.db")
    follower.fold(audit.entries(0, audit.size))
    in_force = InForce(us.in_force(follower.roster))
    board = Board(in_force.federation.roster)
    gate = Gate(in_force, follower, board)
    witnessing = Witnessing(us.federation, audit, follower, board, us.signing)
    live = LiveRounds()
    revoking = Revoking(in_force, common.path.parent / LIST, follower, witnessing, audit, board, live, log)
    conductor = Conductor(in_force, us.signing, rounds, audit, board, gate, witnessing, live, revoking, log,
                          lambda: time.time_ns() // 1_000_000, os.urandom)

    successions = Successions(in_force, common.path.parent / party.SUCCESSOR, board, conductor, witnessing,
                              audit, log, us.keep, us.adopt, _warm)

    policies = Policies(in_force, common.path.parent / POLICY, follower, witnessing, audit, log,
                        lambda data: write_bytes(us.state / POLICY, data))

    def register(server: grpc.aio.Server) -> None:
        shared = (in_force, board, conductor, witnessing, successions, revoking, log)
        node_pb2_grpc.add_NodesServicer_to_server(NodeService(*shared), server)
        keyholder_pb2_grpc.add_KeyHoldersServicer_to_server(KeyHolderService(*shared), server)
        analyst_pb2_grpc.add_AnalystsServicer_to_server(
            AnalystService(in_force, board, gate, conductor, rounds, Pricing(in_force), revoking), server)
        audit_pb2_grpc.add_AuditServicer_to_server(
            AuditService(in_force, audit, witnessing, revoking), server)

    # Proofs are checked in threads; each gives up the interpreter lock, so that several go on at once.
    sys.setswitchinterval(SWITCH_S)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(initializer=parallel.release_lock))
    conductor.resume()  # before anybody can ask for a round that is not alive yet
    entrance = Entrance(lambda: in_force.federation.charter, standing=revoking.check_member)
    serving = await serve(settings.listen, tls, register, log, entrance)
    party.write(us.state / "address", str(serving.address))
    us.ready(ready)
    try:
        await asyncio.to_thread(_warm, in_force.federation.key)
        async with asyncio.TaskGroup() as watching:
            watching.create_task(policies.run())
            watching.create_task(revoking.run())
            watching.create_task(successions.run())
    finally:
        conductor.stop()
        await serving.stop()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file so that nobody ever sees half of it."""
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(data)
    draft.replace(path)


def _warm(key: PublicKey) -> None:
    """Build the tables that proofs are checked with while the members still start."""
    plaintext_proof.warm(key)
    equality_proof.warm(key)


run_command = RunCommand(
    "coordinator", "coordinator.toml", "run the federation's bulletin board, until interrupted", _serve)
