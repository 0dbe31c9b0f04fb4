"""A list of revocations as a file: a department's lies among its grants, the operator's beside its TOML."""

import os
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from cotally.v1 import query_pb2
from cotally.v1.refusals import Misconfigured

LIST: Final = "revocations.bin"


def read_list(path: Path) -> query_pb2.SignedRevocation | None:
    """The list of revocations in *path*, or None without such a file; Misconfigured for a damaged one."""
    try:
        return query_pb2.SignedRevocation.FromString(path.read_bytes())
    except FileNotFoundError:
        return None
    except (DecodeError, OSError):
        raise Misconfigured(f"{path}: the revocation list cannot be read; sign a new one with "
                            "`revoke`") from None


def write_list(path: Path, revocation: query_pb2.SignedRevocation) -> None:
    """Lay a list at *path*, durably, so that nobody ever reads half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as file:
        file.write(revocation.SerializeToString(deterministic=True))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
