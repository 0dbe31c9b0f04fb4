"""The folder of a department's signed grants, and of its list of revocations: read again when it changes."""

from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from cotally.server.rpc.logs import Log
from cotally.server.settings.revocations import LIST, read_list
from cotally.v1 import query_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from .permissions import Permissions

GRANTS: Final = "*.grant"


class Folder:
    """Keeps *permissions* at what lies in the folder *path*."""

    def __init__(self, path: Path, permissions: Permissions, log: Log) -> None:
        self._path = path
        self._permissions = permissions
        self._log = log
        self._seen: object = None

    def check(self) -> None:
        """Raise Misconfigured for a grant, or a list, that cannot be read: a node does not start over it."""
        for path in sorted(self._path.glob(GRANTS)):
            read_grant(path)
        read_list(self._path / LIST)

    def look(self) -> None:
        """Take over what has changed since the last look.

        A grant that cannot be read is left out, and told; a list that cannot be read blocks everything.
        """
        files = [*sorted(self._path.glob(GRANTS)), self._path / LIST]
        seen = [(path, _state(path)) for path in files]
        if seen == self._seen:
            return
        grants = []
        for path in files[:-1]:
            try:
                grants.append(read_grant(path))
            except Misconfigured as reason:
                self._log.error("grant_unreadable", path=path, message=reason.message)
        self._permissions.grants = grants
        self._read_list(files[-1])
        self._seen = seen
        self._log.event("grants", count=len(grants))

    def _read_list(self, path: Path) -> None:
        before = self._permissions.last
        try:
            signed = read_list(path)
            if signed is not None:
                self._permissions.take(signed)
        except Misconfigured as reason:
            self._permissions.block(reason.message)
            self._log.error("revocations_refused", path=path, message=reason.message)
        except Refused as refused:
            say = self._log.warning if refused.refusal is Refusal.STEPPED_BACK else self._log.error
            say("revocations_refused", path=path, refusal=refused.refusal, message=refused.message)
        if (now := self._permissions.last) is not None and now != before:
            self._log.event("revocations", message=f"serial {now.body.serial} counts")


def read_grant(path: Path) -> query_pb2.SignedGrant:
    """The grant in *path*; Misconfigured where there is none."""
    try:
        return query_pb2.SignedGrant.FromString(path.read_bytes())
    except (DecodeError, OSError):
        raise Misconfigured(f"{path}: the grant cannot be read; sign it again with "
                            "`cotally node grant`") from None


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_ino, now.st_mtime_ns, now.st_size
