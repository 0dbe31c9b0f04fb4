"""PostgreSQL's SQL that decodes a raw cell into its column's type: a value or NULL, never an error.

The rules are those of `duckdb.decode`, and so are the results. PostgreSQL of version 14 has no cast
that forgives, so every cast stands behind a condition that it cannot fail under. Types come as
`format_type` spells them, without modifiers.
"""

from decimal import Context, Decimal
from typing import Final

from cotally.server.model.catalog import LONGEST_TEXT, Column, ColumnType

LONGEST_NUMBER: Final = 400  # characters; a longer one is no number that anybody measured
_MAX: Final = 2**63 - 1
_MIN: Final = -(2**63)
_INFINITE: Final = 2**1024 - 2**970  # the least number that rounds beyond the largest double
_ZERO: Final = format(Context(prec=800).power(Decimal(2), -1075), "f")  # the largest that rounds to 0

_WHOLE: Final = r"^[+-]?[0-9]+(\.0*)?$"
_PLAIN: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$"
_NUMBER: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INFINITY: Final = r"^[+-]?([iI][nN][fF]|[iI][nN][fF][iI][nN][iI][tT][yY])$"
_DATE: Final = r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?$"
_BLANK: Final = r"E' \t\n\x0b\x0c'"

_INTEGERS: Final = ("smallint", "integer", "bigint")
_TEXTS: Final = ("text", "character varying", "character", "name", "enum")
_TIMES: Final = ("timestamp without time zone", "timestamp with time zone")
_PLAINLY_TEXT: Final = (*_INTEGERS, *_TEXTS, "numeric", "boolean", "uuid", "date", *_TIMES)


class Undecodable(Exception):
    """The whole column is of a type that cannot stand for its declared one."""


def raw(source: str, kind: str) -> str:
    """The cell *source* of type *kind*, prepared: text in bytewise order, instants in UTC."""
    if kind in _TEXTS:
        return f'nullif({source}::text COLLATE "C", \'\')'
    if kind == "timestamp with time zone":
        return f"({source} AT TIME ZONE 'UTC')"
    return source


def unit(cell: str, kind: str) -> str:
    """SQL for the privacy unit as text from the prepared *cell*."""
    text = _text(cell, kind)
    return (f"CASE WHEN lower(btrim({text})) IN ('', 'nan', 'na', 'none', 'null') THEN NULL"
            f" ELSE {text} END")


def value(column: Column, cell: str, kind: str) -> str:
    """SQL for the value of *column* from the prepared *cell*."""
    match column.type:
        case ColumnType.INTEGER:
            return _integer(cell, kind)
        case ColumnType.FLOAT:
            return _float(cell, kind)
        case ColumnType.DATE:
            return _date(cell, kind)
        case ColumnType.CATEGORY:
            return _category(cell, kind, column.integer_codes)


def _text(cell: str, kind: str) -> str:
    if kind in _TEXTS:
        return f"CASE WHEN length({cell}) <= {LONGEST_TEXT} THEN {cell} END"
    if kind == "double precision":
        return _text_of_double(cell)
    if kind in _PLAINLY_TEXT:
        return f'({cell}::text COLLATE "C")'
    raise Undecodable("text")


def _text_of_double(cell: str) -> str:
    """As DuckDB writes it: 1.0 has a point, and exponents begin at 1e16."""
    text = f'(({cell} + 0)::text COLLATE "C")'
    near = f"abs({cell}) >= 1e15 AND abs({cell}) < 1e16"
    long = f"CASE WHEN {near} THEN {text}::numeric::text ELSE {text} END"
    return (f"CASE WHEN {cell} = 'NaN' THEN NULL WHEN abs({cell}) = 'Infinity'::float8"
            f" THEN CASE WHEN {cell} > 0 THEN 'inf' ELSE '-inf' END"
            f" WHEN {cell} = 0 THEN '0.0' WHEN {long} ~ '[.e]' THEN {long} ELSE {long} || '.0' END")


def _integer(cell: str, kind: str) -> str:
    if kind in _INTEGERS:
        return f"{cell}::bigint"
    if kind == "boolean":
        return f"{cell}::integer::bigint"
    if kind in ("real", "double precision"):
        return _whole_double(f"{cell}::float8")
    if kind == "numeric":
        return (f"CASE WHEN {cell} = 'NaN' THEN NULL WHEN {cell} >= {_MAX} THEN {_MAX}"
                f" WHEN {cell} <= {_MIN} THEN {_MIN} WHEN {cell} = trunc({cell}) THEN {cell}::bigint END")
    if kind not in _TEXTS:
        raise Undecodable("a number")
    text = f"btrim({_text(cell, kind)}, {_BLANK})"
    exact = f"substring({text} from '^[^.]*')::numeric"
    end = f"CASE WHEN left({text}, 1) = '-' THEN {_MIN} ELSE {_MAX} END"
    return (f"CASE WHEN length({text}) > {LONGEST_NUMBER} THEN NULL"
            f" WHEN {text} ~ '{_INFINITY}' THEN {end}"
            f" WHEN {text} ~ '{_WHOLE}' THEN greatest(least({exact}, {_MAX}), {_MIN})::bigint"
            f" WHEN {text} ~ '{_PLAIN}' THEN NULL"
            f" WHEN {text} ~ '{_NUMBER}' THEN {_whole_double(_double(text))} END")


def _whole_double(value: str) -> str:
    return (f"CASE WHEN {value} = 'NaN' THEN NULL WHEN {value} >= {2.0**63!r} THEN {_MAX}"
            f" WHEN {value} < {-(2.0**63)!r} THEN {_MIN}"
            f" WHEN {value} = trunc({value}) THEN {value}::bigint END")


def _float(cell: str, kind: str) -> str:
    if kind in ("real", "double precision"):
        return (f"CASE WHEN {cell} = 'NaN' THEN NULL WHEN {cell} = 0 THEN 0::float8"
                f" ELSE {cell}::float8 END")
    if kind in _INTEGERS:
        return f"{cell}::float8"
    if kind == "boolean":
        return f"{cell}::integer::float8"
    if kind == "numeric":
        return f"CASE WHEN {cell} <> 'NaN' THEN {_nearest(cell)} END"
    if kind not in _TEXTS:
        raise Undecodable("a number")
    text = f"btrim({_text(cell, kind)}, {_BLANK})"
    end = f"CASE WHEN left({text}, 1) = '-' THEN '-Infinity'::float8 ELSE 'Infinity' END"
    return (f"CASE WHEN length({text}) > {LONGEST_NUMBER} THEN NULL"
            f" WHEN {text} ~ '{_INFINITY}' THEN {end}"
            f" WHEN {text} ~ '{_NUMBER}' THEN {_double(text)} END")


def _double(text: str) -> str:
    """The double nearest to *text*, which is a number of at most 400 characters."""
    digits = f"coalesce(substring({text} from '[eE][+-]?0*([0-9]*)$'), '')"
    mantissa = f"substring({text} from '^[+-]?([0-9.]+)')::numeric"
    beyond = (f"CASE WHEN {mantissa} = 0 OR {text} ~ '[eE]-' THEN 0::float8 WHEN left({text}, 1) = '-'"
              " THEN '-Infinity' ELSE 'Infinity' END")
    return f"CASE WHEN length({digits}) > 3 THEN {beyond} ELSE {_nearest(f'{text}::numeric')} END"


def _nearest(exact: str) -> str:
    """The double nearest to a numeric that is no NaN; beyond the largest, infinite."""
    return (f"CASE WHEN {exact} >= {_INFINITE} THEN 'Infinity'::float8"
            f" WHEN {exact} <= -{_INFINITE} THEN '-Infinity'"
            f" WHEN abs({exact}) <= {_ZERO} THEN 0 ELSE {exact}::float8 END")


def _category(cell: str, kind: str, integer_codes: bool) -> str:
    if not integer_codes:
        return f"normalize({_text(cell, kind)}, NFC)"
    text = f"{cell}::integer::text" if kind == "boolean" else _text(cell, kind)
    bare = f"btrim({text}, {_BLANK})"
    digits = f"ltrim(substring({bare} from '^[+-]?([0-9]+)'), '0')"
    sign = f"CASE WHEN left({bare}, 1) = '-' THEN '-' ELSE '' END"
    return (f"CASE WHEN {bare} !~ '{_WHOLE}' THEN normalize({text}, NFC)"
            f" WHEN {digits} = '' THEN '0' ELSE {sign} || {digits} END")


def _date(cell: str, kind: str) -> str:
    if kind == "date" or kind in _TIMES:
        return (f"CASE WHEN isfinite({cell}) AND extract(year FROM {cell}) BETWEEN 1 AND 9999"
                f" THEN {cell}::date END")
    if kind not in _TEXTS:
        raise Undecodable("a date")
    text = f"btrim({_text(cell, kind)}, {_BLANK})"
    year, month, day = (f"substring({text} from '{pattern}')::integer" for pattern in (
        "^([0-9]{4})", "^[0-9]{4}-([0-9]{1,2})", "^[0-9]{4}-[0-9]{1,2}-([0-9]{1,2})"))
    leap = f"{year} % 4 = 0 AND ({year} % 100 <> 0 OR {year} % 400 = 0)"
    last = (f"CASE WHEN {month} IN (4, 6, 9, 11) THEN 30 WHEN {month} <> 2 THEN 31"
            f" WHEN {leap} THEN 29 ELSE 28 END")
    return (f"CASE WHEN {text} !~ '{_DATE}' THEN NULL"
            f" WHEN {year} >= 1 AND {month} BETWEEN 1 AND 12 AND {day} BETWEEN 1 AND {last}"
            f" THEN make_date({year}, {month}, {day}) END")
