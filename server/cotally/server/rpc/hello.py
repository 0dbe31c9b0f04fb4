"""The first words on a stream: both sides speak one version, for one federation, on one chain of rosters."""

from cotally.server.audit import lineage
from cotally.server.wire.federation import VERSION
from cotally.v1 import roster_pb2, work_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused


def make_hello(charter: roster_pb2.Charter, name: str) -> work_pb2.Hello:
    """What *name* says first, pinning the roster of *charter*."""
    return work_pb2.Hello(version=VERSION, federation=charter.roster.federation,
                          roster=digest("roster", charter.roster), name=name)


def check_hello(hello: work_pb2.Hello, charter: roster_pb2.Charter, member: roster_pb2.Member) -> None:
    """Refuse a peer that differs from us in version, federation, roster, or from its certificate in name.

    A peer may still be at a roster that ours succeeds: it is told of the successor.

    Raises Refused PROTOCOL_VERSION for the version and CREDENTIALS for the rest.
    """
    ours = charter.roster.federation
    if hello.version != VERSION:
        raise Refused(Refusal.PROTOCOL_VERSION,
                      f"{member.name} speaks protocol version {hello.version}, this side speaks {VERSION}; "
                      "install the same release of cotally on both")
    if hello.federation != ours:
        raise Refused(Refusal.CREDENTIALS,
                      f"{member.name} belongs to the federation {hello.federation!r}, this side to {ours!r}")
    if hello.roster not in lineage.digests(charter):
        pinned = digest("roster", charter.roster)
        raise Refused(Refusal.CREDENTIALS,
                      f"{member.name} pins the roster {_short(hello.roster)}, this side {_short(pinned)}; "
                      "one of them holds an old charter")
    if hello.name != member.name:
        raise Refused(Refusal.CREDENTIALS,
                      f"a caller says that it is {hello.name!r} and shows the certificate of {member.name}")


def _short(fingerprint: bytes) -> str:
    return f"{fingerprint[:8].hex()}..." if fingerprint else "(none)"
