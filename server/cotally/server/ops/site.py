"""What a department's node needs beside its data: identity, a clock, room, memory, grants and budgets."""

import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from cotally.server.crypto.signing import SigningKey
from cotally.server.engines.source import File
from cotally.server.model.catalog import Table
from cotally.server.rpc.credentials import parse_certificates, read, spki_sha256
from cotally.server.settings.config import NodeConfig
from cotally.server.wire.federation import Federation
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.refusals import Misconfigured, Refused

from .findings import CREDENTIALS, Finding, edit, fail, ok, quoted, warn
from .machine import BUSIEST, GIB, MIB, free_memory

_NODE: Final = 250 * MIB  # Python and libraries
_AHEAD: Final = 60  # seconds that a file may lie in the future


def findings(settings: NodeConfig, federation: Federation, held: Sequence[Table]) -> Iterator[Finding]:
    """Everything that is not about the tables' records."""
    path, state = settings.common.path, settings.common.state
    yield identity(settings, federation)
    yield clock(state, time.time())
    yield folder(state)
    yield disk(state, _to_copy(settings, held))
    yield memory(_to_work(settings, held), free_memory())
    yield from budgets(settings, held, path)
    yield grants(settings.grants, path, time.time_ns() // 10**6)


def identity(settings: NodeConfig, federation: Federation) -> Finding:
    """Whether the roster gives our name the keys that we hold."""
    common = settings.common
    try:
        member = federation.member(common.name, roster_pb2.ROLE_NODE)
        if SigningKey.load(common.signing_key).public != member.signing_key:
            return fail("roster", f"it gives {common.name} another signing key than {common.signing_key}",
                        f"ls -l {quoted(common.signing_key.parent)}", CREDENTIALS)
        own = parse_certificates(common.certificate, read(common.certificate, "certificate"))[0]
        if spki_sha256(own) != member.tls_key:
            return fail("roster", f"it gives {common.name} another TLS key than that of {common.certificate}",
                        f"ls -l {quoted(common.certificate.parent)}", CREDENTIALS)
    except (Refused, Misconfigured) as reason:
        return fail("roster", reason.message, edit(common.path), CREDENTIALS)
    return ok("roster", f"{common.name} is a department of {federation.name}, with these keys")


def clock(state: Path, now: float) -> Finding:
    """Whether time went on since the node last wrote; a clock that is behind refuses every round."""
    written = [p.stat().st_mtime for p in state.iterdir() if p.is_file()] if state.is_dir() else []
    ahead = max(written, default=now) - now
    if ahead > _AHEAD:
        return fail("clock", f"{state} was written {ahead:.0f} s in the future: the clock went back",
                    "sudo timedatectl set-ntp true")
    return ok("clock", "not behind what the node wrote")


def folder(state: Path) -> Finding:
    """Whether the state folder is ours to write, and nobody else's to read."""
    there = _standing(state)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return fail("state", f"{there} cannot be written: {error.strerror}",
                    f"sudo chown -R {os.geteuid()} {quoted(there)}")
    if state.exists() and state.stat().st_mode & 0o077:
        return warn("state", f"others can look into {state}, which holds copies of records",
                    f"chmod 700 {quoted(state)}")
    return ok("state", str(state))


def disk(state: Path, needed: int) -> Finding:
    """Free space against the bytes that vintages and their spilling will take."""
    free = shutil.disk_usage(_standing(state)).free
    said = f"{free / GIB:.1f} GiB free for {state}"
    if needed:
        said += f"; copies of new vintages take up to {needed / GIB:.1f} GiB"
    mend = f"df -h {quoted(_standing(state))}"
    if free < max(100 * MIB, needed):
        return fail("disk", said, mend)
    return ok("disk", said) if free >= max(GIB, 2 * needed) else warn("disk", said, mend)


def memory(needed: int, free: int | None) -> Finding:
    """Free memory against what the largest holding takes, by its public `max_people`."""
    said = f"the node takes up to {needed / GIB:.2f} GiB"
    if free is None:
        return ok("memory for the node", said)
    said += f"; {free / GIB:.1f} GiB available"
    return ok("memory for the node", said) if free >= needed else fail("memory for the node", said, BUSIEST)


def budgets(settings: NodeConfig, held: Collection[Table], path: Path) -> Iterator[Finding]:
    """Whether every population that we hold may spend something, and no other is named."""
    ours = sorted({table.population for table in held})
    named = {**settings.budgets, **settings.budgets_rho}
    for population in sorted(set(named) - set(ours)):
        yield fail("budget", f"budget.{population}: we hold no table of such a population; there are "
                             f"{', '.join(ours)}", edit(path))
    pure = {table.population for table in held if table.pure}
    for population in sorted(pure & set(settings.budgets_rho)):
        yield fail("budget", f"budget.{population} is in rho, but population {population!r} is pure: state "
                             "epsilon", edit(path))
    for population in ours:
        if not named.get(population):
            yield warn("budget", f"budget.{population} is missing or 0: every question is refused",
                       edit(path))
    if set(ours) <= {population for population, amount in named.items() if amount}:
        yield ok("budget", ", ".join(ours))


def grants(where: Path, path: Path, now_ms: int) -> Finding:
    """Whether anybody may ask anything now; a damaged grant keeps the node from starting."""
    found = sorted(where.glob("*.grant")) if where.is_dir() else []
    current = 0
    for each in found:
        try:
            body = query_pb2.SignedGrant.FromString(each.read_bytes()).body
        except (DecodeError, OSError):
            return fail("grants", f"{each} cannot be read, and stops the node", f"rm {quoted(each)}")
        current += body.not_before_ms <= now_ms <= body.not_after_ms
    if current:
        return ok("grants", f"{current} in {where}")
    said = "all have expired" if found else "none"
    return warn("grants", f"{said} in {where}: every question is refused",
                f"cotally node grant {quoted(path)} --analyst NAME --purpose PURPOSE")


def _to_copy(settings: NodeConfig, held: Iterable[Table]) -> int:
    """Bytes of the files whose current vintage was not copied yet."""
    needed = 0
    for table in held:
        source = settings.data.get(table.name)
        if isinstance(source, File) and source.path.is_file():
            from cotally.server.engines.duckdb import snapshot
            if not snapshot.folder(settings.common.state, table).exists():
                needed += source.path.stat().st_size
    return needed


def _to_work(settings: NodeConfig, held: Iterable[Table]) -> int:
    """Bytes of memory: of the node itself, and of the buffers of an engine that runs in it."""
    people = [t.max_people for t in held if isinstance(settings.data.get(t.name), File)]
    if not people:
        return _NODE
    from cotally.server.engines.duckdb.lockdown import LEAST_MEMORY, memory
    return _NODE + MIB * (memory(max(people)) - LEAST_MEMORY)


def _standing(folder: Path) -> Path:
    """*folder*, or the nearest one above it that is there."""
    return next(p for p in (folder, *folder.parents) if p.exists())
