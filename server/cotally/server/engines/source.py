"""Where a department's table lies: a file, or a relation of PostgreSQL or Spark.

In a spec or config it is written as one text,

    "north.csv"                                               a CSV or Parquet file
    "postgresql://reader@db.example/health?table=clinic.visits"
    "spark://local?path=visits.parquet"                       Spark inside the node
    "spark://master.example:7077?table=lake.visits&snapshots=hdfs:///cotally"
    "sc://spark.example:15002?table=lake.visits&snapshots=s3a://cotally/snapshots"

or as a table with the same words: { url = "postgresql://reader@db.example/health", table = "clinic.visits" }.
A password never stands in it: specs travel, and a config is read by more eyes than a password file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

STORE: Final = "cotally"  # the schema that holds snapshots, unless another is named
LOCAL: Final = "local"  # the host of a Spark that runs inside the node
_WORDS: Final = ("table", "path", "snapshots")
_POSTGRES: Final = ("postgresql", "postgres")
_SPARK: Final = ("spark", "sc")


@dataclass(frozen=True, slots=True)
class File:
    """A CSV or Parquet file."""

    path: Path

    def __str__(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True)
class PostgresTable:
    """A table or view of PostgreSQL, and the schema in which its snapshots stand."""

    url: str  # as libpq reads it, without our own words
    schema: str
    table: str
    store: str = STORE

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class SparkTable:
    """A relation that Spark reads: a table of its catalog, or Parquet at a path."""

    url: str  # spark://local, spark://host:port or sc://host:port
    table: str  # empty: a path
    path: str
    store: str  # folder of snapshots as Spark names it; empty: the node's own, in local mode only

    def __str__(self) -> str:
        return self.table or self.path


Source = File | PostgresTable | SparkTable


def is_url(text: str) -> bool:
    """True for the address of a database, which is no path."""
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme.isascii() and scheme.replace("+", "").isalnum()


def spelling(value: object) -> str:
    """The one text for an entry written as text or as a table; ValueError says what is wrong with it."""
    if isinstance(value, str) and value:
        return value
    if not isinstance(value, Mapping):
        raise ValueError("must be the path of a CSV or Parquet file, or the address of a database, as text")
    words = dict(value)
    url = words.pop("url", None)
    if not isinstance(url, str) or not is_url(url):
        raise ValueError('must name a database, as in { url = "postgresql://...", table = "clinic.visits" }')
    for word, text in words.items():
        if word not in _WORDS:
            raise ValueError(f"has an unknown key {word!r}; known are url, {', '.join(_WORDS)}")
        if not isinstance(text, str) or not text:
            raise ValueError(f"has a key {word!r} that is no text")
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode(words, quote_via=quote, safe="/:.")]))
    return urlunsplit(parts._replace(query=query))


def absolute(address: str, folder: Path) -> str:
    """*address* with no path in it that is relative to *folder*: the same data, whoever reads it where."""
    parts = urlsplit(address)
    if parts.scheme not in _SPARK or parts.hostname != LOCAL:
        return address
    pairs = [(key, str((folder / value).resolve()) if key == "path" and "://" not in value else value)
             for key, value in parse_qsl(parts.query, keep_blank_values=True)]
    return urlunsplit(parts._replace(query=urlencode(pairs, quote_via=quote, safe="/:.")))


def parse(text: str, folder: Path) -> Source:
    """The source that *text* names; paths are relative to *folder*. ValueError says what is wrong."""
    if not is_url(text):
        return File(folder / text)
    parts = urlsplit(text)
    if parts.password is not None:
        raise ValueError("holds a password; put it into a password file (~/.pgpass, mode 0600) instead")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    words = {key: value for key, value in pairs if key in _WORDS}
    rest = urlencode([(key, value) for key, value in pairs if key not in _WORDS], quote_via=quote, safe="/:.")
    bare = urlunsplit(parts._replace(query=rest))
    if parts.scheme in _POSTGRES:
        return _postgres(bare, words)
    if parts.scheme in _SPARK:
        return _spark(bare, parts.hostname or "", words, folder)
    raise ValueError(f"has an address that no engine knows: {parts.scheme}://; "
                     "known are postgresql://, spark:// and sc://")


def _postgres(url: str, words: Mapping[str, str]) -> PostgresTable:
    if not words.get("table"):
        raise ValueError("names no table; add ?table=schema.table")
    if "path" in words:
        raise ValueError("names a path, which PostgreSQL does not read")
    schema, dot, table = words["table"].partition(".")
    return PostgresTable(url, *((schema, table) if dot else ("public", schema)),
                         words.get("snapshots") or STORE)


def _spark(url: str, host: str, words: Mapping[str, str], folder: Path) -> SparkTable:
    table, path, store = (words.get(word, "") for word in ("table", "path", "snapshots"))
    if bool(table) == bool(path):
        raise ValueError("must name one of table and path, as in ?table=lake.visits")
    if host != LOCAL and not store:
        raise ValueError("names no folder for snapshots; add &snapshots= and a folder that every executor "
                         "reaches")
    if host == LOCAL and path and "://" not in path:
        path = str((folder / path).absolute())
    return SparkTable(url, table, path, store)
