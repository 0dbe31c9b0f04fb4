"""Files that only their owner may read: written with mode 0600, refused when laxer."""

import os
import shlex
import stat
from pathlib import Path

from cotally.v1.refusals import Misconfigured


def write(path: Path, data: bytes) -> None:
    """Write *data* to a new file of mode 0600, flushed to disk with its name; never overwrite one."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Misconfigured(f"{path} is there already; move it away first") from None
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(path: Path) -> bytes:
    """Return the content of *path*; raise Misconfigured if group or others may touch it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise Misconfigured(f"{path} is not a regular file")
            if mode & 0o077:
                raise Misconfigured(f"{path} is open to group or others (mode {stat.S_IMODE(mode):04o}); "
                                    f"run: chmod 600 {shlex.quote(str(path))}")
            return file.read()
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from None
