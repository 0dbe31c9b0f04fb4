"""SQL that decodes a raw cell into its column's type: always a value or NULL, never an error.

integer   digits, an optional sign, zeros after the point; or a float that is whole, or "inf". Beyond
          64 bits it saturates. A fraction such as 12.5 is NULL: it is no integer, and which
          neighbour was meant nobody can say.
float     a decimal number, an exponent allowed; "inf" stays infinite (it is clamped later), NaN is
          NULL, -0.0 is 0. Cells beyond the double range are infinite.
category  the text in NFC; with `integer_codes`, "1.0", "01" and "+1" are "1".
date      YYYY-MM-DD, a time after it ignored; years 1 to 9999.
unit      the text as it stands; "nan", "na", "none" and "null", in any case, are NULL.

The empty cell is NULL throughout, and so is a number of more than 400 characters, or text of more than
1,000: one person's cells would be more than memory holds. Values of Parquet's
own types are taken at their value.
"""

from typing import Final

from cotally.server.model.catalog import LONGEST_TEXT, Column, ColumnType

_MAX: Final = 2**63 - 1
_MIN: Final = -(2**63)
_NUMBER: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(?i:inf|infinity)"
_WHOLE: Final = r"[+-]?[0-9]+(\.0*)?"
_PLAIN: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
LONGEST_NUMBER: Final = 400  # characters; a longer one is no number that anybody measured
_DATE: Final = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?"

_INTEGERS: Final = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
}
_FLOATS: Final = {"FLOAT", "DOUBLE"}
_TIMES: Final = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}


class Undecodable(Exception):
    """The whole column is of a type that cannot stand for its declared one."""


def unit(raw: str, kind: str) -> str:
    """SQL for the privacy unit as text from *raw*, an expression of DuckDB's type *kind*."""
    text = _text(raw, kind)
    return f"CASE WHEN lower(trim({text})) IN ('', 'nan', 'na', 'none', 'null') THEN NULL ELSE {text} END"


def cell(column: Column, raw: str, kind: str) -> str:
    """SQL for the value of *column* from *raw*, an expression of DuckDB's type *kind*."""
    match column.type:
        case ColumnType.INTEGER:
            return _integer(raw, kind)
        case ColumnType.FLOAT:
            return _float(raw, kind)
        case ColumnType.DATE:
            return _date(raw, kind)
        case ColumnType.CATEGORY:
            return _category(raw, kind, column.integer_codes)


def present(raw: str, kind: str) -> str:
    """SQL that is NULL for an empty cell and for nothing else."""
    return f"nullif({raw}, '')" if kind == "VARCHAR" else raw


def _text(raw: str, kind: str) -> str:
    """Text without NULs and of no more than is kept, or NULL; floats in their shortest form."""
    if kind == "BLOB":
        text = f"TRY(decode({raw}))"
    elif kind in _FLOATS:
        text = f"CASE WHEN isnan({raw}) THEN NULL ELSE CAST({raw} + 0 AS VARCHAR) END"
    elif kind in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        text = f"CAST({_instant(raw)} AS VARCHAR)"
    elif _is_scalar(kind):
        text = f"CAST({raw} AS VARCHAR)"
    else:
        raise Undecodable("text")
    if kind not in ("VARCHAR", "BLOB"):
        return text
    unfit = f"contains({text}, chr(0)) OR {text} = '' OR length({text}) > {LONGEST_TEXT}"
    return f"CASE WHEN {unfit} THEN NULL ELSE {text} END"


def _is_scalar(kind: str) -> bool:
    plain = {"VARCHAR", "BOOLEAN", "UUID", "DATE", *_INTEGERS, *_FLOATS, *_TIMES}
    return kind in plain or (kind.startswith(("DECIMAL(", "ENUM(")) and not kind.endswith("]"))


def _numeral(raw: str, kind: str) -> str:
    """Text of a cell that should be a number."""
    if kind == "BOOLEAN":
        return f"CAST(CAST({raw} AS INTEGER) AS VARCHAR)"
    if kind == "DATE" or kind in _TIMES:
        raise Undecodable("a number")
    return f"trim({_text(raw, kind)}, ' ' || chr(9) || chr(10) || chr(11) || chr(12))"


def _integer(raw: str, kind: str) -> str:
    if kind in _FLOATS:
        return _whole_double(f"CAST({raw} AS DOUBLE)")
    text = _numeral(raw, kind)
    digits = f"regexp_replace({text}, '\\.0*$', '')"
    end = f"CASE WHEN starts_with({text}, '-') THEN {_MIN} ELSE {_MAX} END"
    return (
        f"CASE WHEN regexp_full_match({text}, '[+-]?[0-9]{{1,18}}') THEN TRY_CAST({text} AS BIGINT)"
        f" WHEN length({text}) > {LONGEST_NUMBER} THEN NULL"
        f" WHEN regexp_full_match({text}, '{_WHOLE}') THEN coalesce(TRY_CAST({digits} AS BIGINT), {end})"
        f" WHEN regexp_full_match({text}, '{_PLAIN}') THEN NULL"
        f" WHEN regexp_full_match({text}, '{_NUMBER}') THEN {_whole_double(f'TRY_CAST({text} AS DOUBLE)')}"
        " END"
    )


def _whole_double(value: str) -> str:
    return (
        f"CASE WHEN isnan({value}) THEN NULL WHEN {value} >= {2.0**63!r} THEN {_MAX}"
        f" WHEN {value} < {-(2.0**63)!r} THEN {_MIN}"
        f" WHEN {value} = trunc({value}) THEN TRY_CAST({value} AS BIGINT) END"
    )


def _float(raw: str, kind: str) -> str:
    if kind in _FLOATS:
        value = f"CAST({raw} AS DOUBLE)"
        return f"CASE WHEN isnan({value}) THEN NULL WHEN {value} = 0 THEN 0.0::DOUBLE ELSE {value} END"
    text = _numeral(raw, kind)
    value = f"TRY_CAST({text} AS DOUBLE)"
    return (
        f"CASE WHEN NOT regexp_full_match({text}, '{_NUMBER}') OR length({text}) > {LONGEST_NUMBER} THEN NULL"
        f" WHEN {value} = 0 THEN 0.0::DOUBLE ELSE {value} END"
    )


def _category(raw: str, kind: str, integer_codes: bool) -> str:
    if not integer_codes:
        return f"nfc_normalize({_text(raw, kind)})"
    text = _numeral(raw, kind) if kind == "BOOLEAN" else _text(raw, kind)
    bare = f"trim({text}, ' ' || chr(9) || chr(10) || chr(11) || chr(12))"
    digits = f"ltrim(regexp_extract({bare}, '^[+-]?([0-9]+)', 1), '0')"
    sign = f"CASE WHEN starts_with({bare}, '-') THEN '-' ELSE '' END"
    return (
        f"CASE WHEN NOT regexp_full_match({bare}, '{_WHOLE}') THEN nfc_normalize({text})"
        f" WHEN {digits} = '' THEN '0' ELSE {sign} || {digits} END"
    )


def _date(raw: str, kind: str) -> str:
    if kind == "DATE" or kind in _TIMES:
        value = f"TRY_CAST({_instant(raw) if kind.endswith('ZONE') else raw} AS DATE)"
        return f"CASE WHEN isfinite({value}) AND year({value}) BETWEEN 1 AND 9999 THEN {value} END"
    if not (kind in ("VARCHAR", "BLOB") or kind.startswith("ENUM(")):
        raise Undecodable("a date")
    text = f"trim({_text(raw, kind)}, ' ' || chr(9) || chr(10) || chr(11) || chr(12))"
    return (
        f"CASE WHEN regexp_full_match({text}, '{_DATE}', 's') AND NOT starts_with({text}, '0000')"
        f" THEN TRY_CAST(regexp_extract({text}, '^[0-9-]+') AS DATE) END"
    )


def _instant(raw: str) -> str:
    """An instant as UTC, without the extension that knows time zones; NULL for the one without a text."""
    return f"make_timestamp(nullif(epoch_us({raw}), {_MIN}))"
