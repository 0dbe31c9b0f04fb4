"""A real PostgreSQL in a temporary directory, for tests: a Unix socket only, gone when they are done."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_USERS = ("postgres", "nobody")  # initdb refuses root
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off",
         "listen_addresses=", "shared_buffers=64MB", "max_connections=20")
_ROOM = 2 * 2**30  # bytes


class Absent(Exception):
    """Why no server can be started here."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `admin` may do anything; `reader` only what it is granted."""

    socket: Path
    process: "subprocess.Popen[bytes]"

    def url(self, role: str, database: str = "postgres") -> str:
        """An address for *role*."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket), safe='')}"

    def stop(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.wait(20)


def binaries() -> Path:
    """Where initdb and postgres lie."""
    found = [Path(p).resolve().parent for p in (shutil.which("initdb"),) if p]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Absent("PostgreSQL's server programs (initdb, postgres) are not installed")


def _roomy_memory() -> str | None:
    """Where the data lie, if it is there: thousands of tables take long to remove from a disk."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > _ROOM else None


@contextmanager
def serving() -> Iterator[Server]:
    """Start a server with the roles `admin` and `reader`, and stop it. Raises Absent."""
    programs = binaries()
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=_roomy_memory()))
    process: subprocess.Popen[bytes] | None = None
    try:
        become = _become(folder)
        data, log = folder / "data", folder / "log"
        made = subprocess.run(
            [*become, str(programs / "initdb"), "-D", str(data), "-U", "admin", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync"], capture_output=True, cwd="/", text=True)
        if made.returncode:
            raise Absent(f"initdb does not work here: {made.stderr.strip().splitlines()[-1:]}")
        options = [word for setting in _FAST for word in ("-c", setting)]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*become, str(programs / "postgres"), "-D", str(data), "-k", str(folder), *options],
                stdout=out, stderr=out, cwd="/", start_new_session=True)
        _await(programs, folder, process, log)
        server = Server(folder, process)
        subprocess.run([str(programs / "psql"), "-q", "-h", str(folder), "-U", "admin", "postgres",
                        "-c", "CREATE ROLE reader LOGIN"], check=True, capture_output=True)
        yield server
    finally:
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.send_signal(3)  # immediate shutdown
                process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _become(folder: Path) -> Sequence[str]:
    """A prefix that runs a command as somebody who is not root, and ends it with us."""
    setpriv = shutil.which("setpriv")
    with_us = [setpriv, "--pdeathsig", "QUIT"] if setpriv else []
    if os.geteuid() != 0:
        return with_us
    if setpriv is None:
        raise Absent("initdb refuses root, and setpriv is not there to become somebody else")
    for name in _USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        return [*with_us, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    raise Absent(f"initdb refuses root, and there is none of the users {', '.join(_USERS)}")


def _await(programs: Path, folder: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        ready = subprocess.run([str(programs / "pg_isready"), "-q", "-h", str(folder), "-U", "admin"])
        if ready.returncode == 0:
            return
        time.sleep(0.05)
    raise Absent(f"postgres does not start here: {log.read_text(errors='replace')[-300:]}")
