"""Spark's SQL that decodes a raw cell into its column's type: a value or NULL, never an error.

The rules are those of `duckdb.decode`, and so are the results. Types come as Spark's `simpleString`
spells them. Text in NFC needs the function `cotally_nfc`, which the session registers.
"""

from typing import Final

from cotally.server.model.catalog import LONGEST_TEXT, Column, ColumnType

NFC: Final = "cotally_nfc"
LONGEST_NUMBER: Final = 400  # characters; a longer one is no number that anybody measured
_MAX: Final = 2**63 - 1
_MIN: Final = f"({-(2**63) + 1} - 1)"  # the literal of the least integer does not parse

_WHOLE: Final = r"^[+-]?[0-9]+([.]0*)?\\z"
_PLAIN: Final = r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)\\z"
_NUMBER: Final = r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?\\z"
_INFINITY: Final = r"^[+-]?([iI][nN][fF]|[iI][nN][fF][iI][nN][iI][tT][yY])\\z"
_DATE: Final = r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T](?s:.*))?\\z"
_BLANK: Final = "concat(' ', char(9), char(10), char(11), char(12))"

_INTEGERS: Final = ("tinyint", "smallint", "int", "bigint")
_TIMES: Final = ("timestamp", "timestamp_ntz")


class Undecodable(Exception):
    """The whole column is of a type that cannot stand for its declared one."""


def raw(source: str, kind: str) -> str:
    """The cell *source* of type *kind*, prepared: no empty text, and none with a NUL."""
    if kind == "string":
        return f"CASE WHEN {source} = '' OR contains({source}, char(0)) THEN NULL ELSE {source} END"
    return source


def unit(cell: str, kind: str) -> str:
    """SQL for the privacy unit as text from the prepared *cell*."""
    text = _text(cell, kind)
    return (f"CASE WHEN lower(trim(BOTH ' ' FROM {text})) IN ('', 'nan', 'na', 'none', 'null') THEN NULL"
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
    if kind == "string":
        return f"CASE WHEN length({cell}) <= {LONGEST_TEXT} THEN {cell} END"
    if kind in (*_INTEGERS, "boolean", "date", *_TIMES) or kind.startswith("decimal("):
        return f"CAST({cell} AS STRING)"
    raise Undecodable("text")


def _integer(cell: str, kind: str) -> str:
    if kind in _INTEGERS:
        return f"CAST({cell} AS BIGINT)"
    if kind == "boolean":
        return f"CAST(CAST({cell} AS INT) AS BIGINT)"
    if kind in ("float", "double"):
        return _whole_double(f"CAST({cell} AS DOUBLE)")
    if kind.startswith("decimal("):
        return (f"CASE WHEN {cell} >= {_MAX} THEN {_MAX} WHEN {cell} <= {_MIN} THEN {_MIN}"
                f" WHEN {cell} = floor({cell}) THEN try_cast({cell} AS BIGINT) END")
    if kind != "string":
        raise Undecodable("a number")
    text = f"trim(BOTH {_BLANK} FROM {_text(cell, kind)})"
    digits = f"regexp_extract({text}, '^[+-]?[0-9]+', 0)"
    end = f"CASE WHEN startswith({text}, '-') THEN {_MIN} ELSE {_MAX} END"
    return (f"CASE WHEN length({text}) > {LONGEST_NUMBER} THEN NULL"
            f" WHEN {text} rlike '{_INFINITY}' THEN {end}"
            f" WHEN {text} rlike '{_WHOLE}' THEN coalesce(try_cast({digits} AS BIGINT), {end})"
            f" WHEN {text} rlike '{_PLAIN}' THEN NULL"
            f" WHEN {text} rlike '{_NUMBER}' THEN {_whole_double(f'try_cast({text} AS DOUBLE)')} END")


def _whole_double(value: str) -> str:
    return (f"CASE WHEN isnan({value}) THEN NULL WHEN {value} >= {2.0**63!r}D THEN {_MAX}"
            f" WHEN {value} < {-(2.0**63)!r}D THEN {_MIN}"
            f" WHEN {value} = rint({value}) THEN try_cast({value} AS BIGINT) END")


def _float(cell: str, kind: str) -> str:
    if kind in ("float", "double"):
        return (f"CASE WHEN isnan({cell}) THEN NULL WHEN {cell} = 0 THEN 0D ELSE CAST({cell} AS DOUBLE) END")
    if kind in _INTEGERS or kind.startswith("decimal("):
        return f"CAST({cell} AS DOUBLE)"
    if kind == "boolean":
        return f"CAST(CAST({cell} AS INT) AS DOUBLE)"
    if kind != "string":
        raise Undecodable("a number")
    text = f"trim(BOTH {_BLANK} FROM {_text(cell, kind)})"
    double = f"try_cast({text} AS DOUBLE)"
    end = f"CASE WHEN startswith({text}, '-') THEN double('-Infinity') ELSE double('Infinity') END"
    return (f"CASE WHEN length({text}) > {LONGEST_NUMBER} THEN NULL"
            f" WHEN {text} rlike '{_INFINITY}' THEN {end}"
            f" WHEN {text} rlike '{_NUMBER}' THEN CASE WHEN {double} = 0 THEN 0D ELSE {double} END END")


def _category(cell: str, kind: str, integer_codes: bool) -> str:
    if not integer_codes:
        return f"{NFC}({_text(cell, kind)})"
    text = f"CAST(CAST({cell} AS INT) AS STRING)" if kind == "boolean" else _text(cell, kind)
    bare = f"trim(BOTH {_BLANK} FROM {text})"
    digits = f"ltrim('0', regexp_extract({bare}, '^[+-]?([0-9]+)', 1))"
    sign = f"CASE WHEN startswith({bare}, '-') THEN '-' ELSE '' END"
    return (f"CASE WHEN NOT {bare} rlike '{_WHOLE}' THEN {NFC}({text})"
            f" WHEN {digits} = '' THEN '0' ELSE {sign} || {digits} END")


def _date(cell: str, kind: str) -> str:
    if kind == "date" or kind in _TIMES:
        made = f"CAST({cell} AS DATE)"
        return f"CASE WHEN year({made}) BETWEEN 1 AND 9999 THEN {made} END"
    if kind != "string":
        raise Undecodable("a date")
    text = f"trim(BOTH {_BLANK} FROM {_text(cell, kind)})"
    digits = f"regexp_extract({text}, '^[0-9-]+', 0)"
    return (f"CASE WHEN {text} rlike '{_DATE}' AND NOT startswith({text}, '0000')"
            f" THEN try_cast({digits} AS DATE) END")
