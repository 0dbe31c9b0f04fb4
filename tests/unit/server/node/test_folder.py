"""Grants and lists are taken up while the node runs, and what cannot be read fails closed."""

import io
import json
from pathlib import Path

import pytest

from cotally.server.node.folder import Folder
from cotally.server.node.permissions import Permissions
from cotally.server.rpc.logs import Log
from cotally.server.settings.revocations import LIST, write_list
from cotally.v1.refusals import Misconfigured, Refusal
from tests.protocol.conftest import folder  # noqa: F401
from tests.protocol.lab import NOW, Lab
from tests.protocol.planting import refused_as
from tests.protocol.test_revocations import permissions, revocation


class Desk:
    """Tax's officer and her node."""

    def __init__(self, lab: Lab, path: Path) -> None:
        self.lab, self.path, self.said = lab, path, io.StringIO()
        self.permissions: Permissions = permissions(lab)
        self.folder = Folder(path, self.permissions, Log("node", "tax", stream=self.said))
        self.folder.look()

    def grant(self, name: str, analyst: str) -> None:
        (self.path / name).write_bytes(self.lab.grant("tax", analyst).SerializeToString())
        self.folder.look()

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.said.getvalue().splitlines()]

    def finds(self, analyst: str = "ada") -> bool:
        return bool(self.permissions.find(self.lab.envelope(analyst=analyst).body, NOW))


@pytest.fixture
def desk(folder: Path, tmp_path: Path) -> Desk:  # noqa: F811
    return Desk(Lab(folder), tmp_path)


def test_a_new_grant_counts_and_a_deleted_one_does_not(desk: Desk) -> None:
    refused_as(Refusal.NOT_ALLOWED, desk.finds, "has granted nothing")
    desk.grant("ada-1.grant", "ada")
    assert desk.finds()
    (desk.path / "ada-1.grant").unlink()
    desk.folder.look()
    refused_as(Refusal.NOT_ALLOWED, desk.finds, "has granted nothing")
    seen = desk.events()
    desk.folder.look()
    assert desk.events() == seen  # nothing changed, nothing read


def test_an_unreadable_grant_is_left_out_and_told(desk: Desk) -> None:
    desk.grant("eve-1.grant", "eve")
    (desk.path / "ada-1.grant").write_bytes(b"\xff")
    desk.folder.look()
    assert desk.finds("eve") and "grant_unreadable" in desk.events()
    refused_as(Refusal.NOT_ALLOWED, desk.finds)


def test_a_list_counts_when_it_is_laid_and_outlives_its_file(desk: Desk) -> None:
    desk.grant("ada-1.grant", "ada")
    desk.grant("eve-1.grant", "eve")
    write_list(desk.path / LIST, revocation(desk.lab, serial=7))
    desk.folder.look()
    refused_as(Refusal.NOT_ALLOWED, desk.finds, "has revoked")
    assert desk.finds("eve")
    (desk.path / LIST).unlink()
    for older in (None, revocation(desk.lab, serial=6, analysts=[])):
        if older is not None:
            write_list(desk.path / LIST, older)
        again = Desk(desk.lab, desk.path)
        refused_as(Refusal.NOT_ALLOWED, again.finds, "has revoked")
        assert again.finds("eve")


def test_a_damaged_list_stops_everything_until_there_is_a_next_one(desk: Desk) -> None:
    desk.grant("eve-1.grant", "eve")
    (desk.path / LIST).write_bytes(b"\xff")
    desk.folder.look()
    refused_as(Refusal.NOT_ALLOWED, lambda: desk.finds("eve"), "cannot be believed")
    assert "revocations_refused" in desk.events()
    with pytest.raises(Misconfigured, match="revocation list"):
        desk.folder.check()
    write_list(desk.path / LIST, revocation(desk.lab))
    desk.folder.look()
    assert desk.finds("eve")
