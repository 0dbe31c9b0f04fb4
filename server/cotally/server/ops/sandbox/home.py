"""The folder of a sandbox: made by a ceremony, or resumed where it was kept for the same spec."""

import fcntl
import hashlib
import json
import secrets
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cotally.server.ops.spec import Spec
from cotally.v1.refusals import Misconfigured

MARK: Final = "spec.sha256"
SUMMARY: Final = "sandbox.json"
_LOCK: Final = "sandbox.lock"

Deal = Callable[[Path], None]


def fingerprint(spec: Spec) -> str:
    """SHA-256 (hex) of what the spec says and of where its data lie; comments and layout do not count."""
    said = tomllib.loads(spec.file.read_text("utf-8"), parse_float=str)
    data = [[d.name, table, spec.data_source(d, table)]
            for d in spec.departments for table in sorted(d.data)]
    return hashlib.sha256(json.dumps([said, data], sort_keys=True, default=str).encode()).hexdigest()


def prepare(folder: Path, spec: Spec, deal: Deal, announce: Callable[[str], None]) -> None:
    """Leave a dealt federation of *spec* in *folder*: resumed, or made by *deal* into a folder of its choice.

    Raises Misconfigured where *folder* holds the sandbox of another spec, or something else. A sandbox
    appears in *folder* whole, or not at all.
    """
    mark = folder / MARK
    if mark.is_file():
        if mark.read_text("utf-8").strip() != fingerprint(spec):
            raise Misconfigured(f"{folder} holds the sandbox of another spec than {spec.file} is now; name "
                                "another --dir, or remove this one")
        announce(f"resuming {folder}")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Misconfigured(f"{folder} is not empty and holds no sandbox; name another --dir")
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
    work.mkdir(mode=0o700)
    try:
        deal(work / "dealt")
        (work / "dealt" / MARK).write_text(fingerprint(spec) + "\n", "utf-8")
        if folder.exists():
            folder.rmdir()
        (work / "dealt").rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def occupied(folder: Path) -> Iterator[None]:
    """Hold *folder* for one sandbox at a time."""
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Misconfigured(f"another sandbox is running in {folder}") from None
        yield


def write_summary(folder: Path, summary: dict[str, object]) -> None:
    """Write sandbox.json: what runs here, for scripts."""
    making = folder / f".{SUMMARY}"
    making.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")
    making.rename(folder / SUMMARY)
