"""The connection that one command needs: opened by its profile, closed when it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..connection import Connection


@contextmanager
def connected(profile: str | None) -> Iterator["Connection"]:
    """A connection under *profile* (default: COTALLY_PROFILE)."""
    from .. import connection  # late: gRPC takes its time
    with connection.connect(profile) as con:
        yield con
