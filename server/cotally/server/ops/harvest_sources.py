"""What a folder, a file or a database says of its own tables: names, types, and short lists of values."""

from pathlib import Path

from cotally.server.engines.source import is_url
from cotally.v1.refusals import Misconfigured

from .harvest_databases import of_database
from .harvest_files import of_files
from .relation import Relation


def relations(source: str, base: Path) -> tuple[list[Relation], list[str]]:
    """Every table of *source*: a file, a folder of files, or a database's address; and what was left out.

    Addresses of files are relative to *base*, where the description will lie.
    """
    found, left = (of_database(source), []) if is_url(source) else of_files(Path(source), base)
    if not found:
        raise Misconfigured(f"{source}: there is no table in it that this user can read")
    return found, left
