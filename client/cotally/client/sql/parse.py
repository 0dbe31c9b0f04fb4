"""SQL text in, resolved question out."""

from dataclasses import replace

from cotally.v1.catalog_pb2 import Catalog

from ..question.draft import Draft, Question
from ..question.privacy import DEFAULT_CONFIDENCE
from ..question.resolve import resolve
from .clause import missing, split
from .constructs import refuse_constructs
from .functions import marked
from .select import draft
from .source import read
from .tail import as_select, split_bounds, without_explain
from .tree import parse_select


def parse(text: str, catalog: Catalog, confidence: str = DEFAULT_CONFIDENCE) -> Question:
    """Return the canonical query that *text* asks of *catalog*, and its purpose where it states one.

    `docs/sql.md` holds the grammar. Everything else raises Refused: MALFORMED, UNSUPPORTED,
    UNKNOWN_NAME or BAD_PRIVACY, with one sentence that names the culprit and where it stands.
    *confidence* applies where the privacy clause sets none; it is a decimal number as text.
    """
    return resolve(read_draft(text), catalog, confidence)


def read_draft(text: str) -> Draft:
    """Return what *text* writes down, before any name is looked up."""
    text, only_price = without_explain(text)
    source = read(text)
    tokens, settings = split(source)
    tokens, bounds = split_bounds(source, tokens)
    tokens = as_select(source, tokens)
    refuse_constructs(source, tokens)
    select = parse_select(source, marked(tokens))
    written = draft(select, source, settings or ())
    if settings is None:
        raise missing()
    return replace(written, bounds=bounds, only_price=only_price)
