"""What one member of the roster may ask of the coordinator at once: sizes, calls, seconds, bytes, pace.

Every limit is per member over all its connections, so that nobody can take more than its share by
dialling often. The numbers are also in `docs/wire.md`, and a test compares them.
"""

from dataclasses import dataclass
from typing import Final

from cotally.v1 import roster_pb2

from .frames import PART_BYTES

MIB: Final = 1024 * 1024
MESSAGE_BYTES: Final = MIB
PLAIN: Final = (  # gRPC's options: nobody here compresses, so that a few bytes cannot become many
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.per_message_decompression", 0),
)
LONGEST_WAIT_S: Final = 3.0  # for a turn
_SMALL: Final = 64 * 1024
_FRAME: Final = PART_BYTES + 64  # tags and lengths around the part


@dataclass(frozen=True, slots=True)
class Share:
    """What a role's member gets, all its calls together."""

    calls: int  # at once; one more is refused
    held_bytes: int  # of requests whose calls are not over
    per_second: int  # calls that begin; more wait for their turn
    burst: int  # calls that begin before anybody waits


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one method gets."""

    at_once: int  # calls of one member
    message_bytes: int  # of each message of the request
    seconds: float | None  # from the first header to the end; None: as long as its certificate is good


SHARES: Final = {
    roster_pb2.ROLE_ANALYST: Share(calls=128, held_bytes=16 * MIB, per_second=50, burst=50),
    roster_pb2.ROLE_NODE: Share(calls=64, held_bytes=512 * MIB, per_second=500, burst=1000),
    roster_pb2.ROLE_KEY_HOLDER: Share(calls=64, held_bytes=512 * MIB, per_second=500, burst=1000),
}
NOTHING: Final = Share(calls=0, held_bytes=0, per_second=1, burst=1)  # a role that has nothing to call

METHODS: Final = {
    "Welcome": Bounds(16, _SMALL, 30),
    "Quote": Bounds(32, MESSAGE_BYTES, 30),
    "Ask": Bounds(64, MESSAGE_BYTES, 600),
    "Fetch": Bounds(4, _SMALL, 120),
    "Budget": Bounds(16, _SMALL, 30),
    "Listen": Bounds(4, MESSAGE_BYTES, None),
    "Commit": Bounds(32, MESSAGE_BYTES, 60),
    "Decline": Bounds(32, _SMALL, 60),
    "Reveal": Bounds(16, _FRAME, 600),
    "Permit": Bounds(32, MESSAGE_BYTES, 60),
    "Partial": Bounds(16, _FRAME, 600),
    "Void": Bounds(32, _SMALL, 60),
    "Cosign": Bounds(32, _SMALL, 60),
    "Revoke": Bounds(4, MESSAGE_BYTES, 60),
    "Ready": Bounds(4, _SMALL, 60),
    "LatestCheckpoint": Bounds(8, _SMALL, 60),
    "Entries": Bounds(4, _SMALL, 600),
    "Inclusion": Bounds(16, _SMALL, 30),
    "Consistency": Bounds(16, _SMALL, 30),
}
UNLISTED: Final = Bounds(4, _SMALL, 30)
