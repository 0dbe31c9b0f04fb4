"""Opens DuckDB so that a statement, however it came about, reaches only the files named here.

No extension is installed or loaded, no secret is kept, nothing of the process's Python variables is
visible, no other file and no address is read or written, and none of this can be changed
afterwards. Files are named twice because DuckDB checks a path before and after it expands
wildcards, and paths with brackets or stars must be escaped.
"""

import glob
from collections.abc import Sequence
from pathlib import Path

import duckdb
from sqlglot import exp

LEAST_MEMORY = 96  # MiB of DuckDB's buffers; the rest of a node's 250 MB is Python and libraries
_SMALL = 50_000  # people whose rows one thread reads sooner than two that must be started


def escaped(path: Path) -> str:
    """*path* as DuckDB must be told it where wildcards are expanded."""
    return glob.escape(str(path))


def memory(people: int) -> int:
    """MiB that bounding so many people needs, most of it spilled; public, like the cap it is given.

    Measured: 96 MiB carry 4 million people, 224 MiB 10 million, 384 MiB 20 million.
    """
    return LEAST_MEMORY + 16 * max(0, people // 10**6 - 2)


def threads(people: int) -> int:
    """How many threads read the records of at most so many people."""
    return 1 if people <= _SMALL else 2


def locked(
    files: Sequence[Path], spill: Path, mebibytes: int = LEAST_MEMORY, workers: int = 2
) -> duckdb.DuckDBPyConnection:
    """An in-memory database that may touch *files* (absolute) and spill into the folder *spill*.

    It works on *workers* threads. Intermediate results that outgrow *mebibytes* go to *spill*, which
    is made with mode 0700. Of a file nothing is kept from one statement to the next.
    """
    spill.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{mebibytes}MiB",
            "threads": workers,
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
            "preserve_insertion_order": False,
            "enable_external_file_cache": False,
        },
    )
    names = dict.fromkeys(name for path in files for name in (str(path), escaped(path)))
    paths = exp.Array(expressions=[exp.Literal.string(name) for name in names])
    connection.execute(f"SET allowed_paths = {paths.sql('duckdb')}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection
