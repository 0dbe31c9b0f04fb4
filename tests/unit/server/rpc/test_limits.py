from cotally.server.rpc.limits import METHODS, MIB, NOTHING, SHARES
from cotally.v1 import analyst_pb2, audit_pb2, keyholder_pb2, node_pb2


def test_every_call_of_the_contract_has_bounds() -> None:
    files = (analyst_pb2, audit_pb2, keyholder_pb2, node_pb2)
    methods = {m.name for f in files for s in f.DESCRIPTOR.services_by_name.values() for m in s.methods}
    assert set(METHODS) == methods


def test_only_listening_has_no_end() -> None:
    assert [name for name, bounds in METHODS.items() if bounds.seconds is None] == ["Listen"]


def test_a_share_holds_the_longest_message_of_its_role() -> None:
    assert NOTHING.calls == 0
    assert all(share.held_bytes >= MIB and share.calls >= 64 for share in SHARES.values())
