"""What cotally's SQL leaves out, by the token that gives it away: its name, and what to do instead.

This gate exists for the sake of clear messages with exact places. Safety does not rest on it: after
it, `select` and `where` let nothing pass that they do not know.
"""

from collections.abc import Sequence
from typing import Final

from sqlglot import Token

from cotally.v1.refusals import Refusal, Refused

from ..question.names import echo
from ..question.privacy import EXAMPLE
from .source import Source, kind

_ONE_TABLE: Final = "a question reads one table, or two joined on their unit"
_JOIN: Final = "write FROM first JOIN second USING (unit column)"
_COMPARE: Final = "compare with =, <>, <, <=, >, >=, BETWEEN or IN"
_SORT: Final = "sort or cut the released result instead"
_BARE: Final = "write names and values directly"

_TOKENS: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(("UNION", "EXCEPT", "INTERSECT"), ("{}", "ask two questions")),
    **dict.fromkeys(("STRAIGHT_JOIN", "LATERAL"), ("{}", _ONE_TABLE)),
    "ON": ("ON", _JOIN),
    **dict.fromkeys(("ORDER_BY", "LIMIT", "OFFSET", "FETCH", "SORT_BY"), ("{}", _SORT)),
    **dict.fromkeys(("LIKE", "ILIKE", "RLIKE", "SIMILAR_TO", "GLOB", "NULLSAFE_EQ", "XOR"), ("{}", _COMPARE)),
    **dict.fromkeys(("PLUS", "SLASH", "MOD", "DIV", "DPIPE", "CARET", "PIPE", "AMP", "TILDE", "HASH"),
                    ("the operator {}", _BARE)),
    **dict.fromkeys(("PLACEHOLDER", "PARAMETER", "COLON"), ("a parameter ({})", "write the value itself")),
    **dict.fromkeys(("HEX_STRING", "BIT_STRING", "BYTE_STRING", "NATIONAL_STRING", "RAW_STRING",
                     "HEREDOC_STRING", "UNICODE_STRING", "NATIONAL_RAW_STRING"),
                    ("a text with a prefix", "write it in plain single quotes")),
    **dict.fromkeys(("L_BRACKET", "L_BRACE", "BLOCK_START", "UNKNOWN"), ("{}", _BARE)),
    **dict.fromkeys(("ISNULL", "NOTNULL"), ("{}", "write IS NULL or IS NOT NULL")),
    **dict.fromkeys(("TRUE", "FALSE"), ("a truth value ({})", _COMPARE)),
    "CASE": ("CASE", "put the condition into WHERE"),
    "INTERVAL": ("INTERVAL", "write the date itself"),
    "HAVING": ("HAVING", "every group is released; filter the result instead"),
    "QUALIFY": ("QUALIFY", "filter the result instead"),
    "DCOLON": ("a cast (::)", "every column is used with its declared type"),
    "HINT": ("a hint", "leave it out"),
    "WITH": ("WITH", _ONE_TABLE),
    "FOR": ("FOR", "leave it out"),
    "ALL": ("ALL", "leave it out"),
    "COLLATE": ("COLLATE", "codes are compared exactly"),
    "VALUES": ("VALUES", _ONE_TABLE),
    "INTO": ("INTO", "save the release instead"),
    "TABLE_SAMPLE": ("TABLESAMPLE", "every row counts"),
    "GROUPING_SETS": ("GROUPING SETS", "ask one question per grouping"),
    "CLUSTER_BY": ("CLUSTER BY", "leave it out"),
    "DISTRIBUTE_BY": ("DISTRIBUTE BY", "leave it out"),
}
_JOIN_WORDS: Final = {"LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "NATURAL", "SEMI", "ANTI", "ASOF"}

_CALLS: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(
        ("CAST", "TRY_CAST", "SAFE_CAST", "CONVERT"),
        ("a cast ({})", "every column is used with its declared type"),
    ),
    **dict.fromkeys(("ANY", "ALL", "SOME", "EXISTS"), ("{}", "it needs a subquery; compare with a list: IN")),
    **dict.fromkeys(("ROLLUP", "CUBE"), ("{}", "ask one question per grouping")),
    "OVER": ("a window function (OVER)", "use GROUP BY"),
    "FILTER": ("FILTER", "put the condition into WHERE"),
    "MEAN": ("function MEAN", "write AVG"),
    "TOTAL": ("function TOTAL", "write SUM"),
    **dict.fromkeys(
        ("VAR_SAMP", "VARIANCE_SAMP", "VAR", "VARIANCE_POP"),
        ("function {}", "write VARIANCE(c), which is of the population: divided by n"),
    ),
    **dict.fromkeys(
        ("STDDEV_SAMP", "STD", "STDEV"),
        ("function {}", "write STDDEV(c), which is of the population: divided by n"),
    ),
    "COVAR_SAMP": ("function COVAR_SAMP", "write COVAR(y, x), which is of the population: divided by n"),
    **dict.fromkeys(
        ("REGR_SLOPE", "REGR_INTERCEPT", "REGR_R2", "REGR_COUNT"),
        ("function {}", "write REGR(y, x), which gives intercept and slopes"),
    ),
    **dict.fromkeys(
        ("PERCENTILE_DISC", "PERCENTILE", "APPROX_QUANTILE", "APPROX_PERCENTILE", "QUANTILE_CONT"),
        ("function {}", "write QUANTILE(c, q)"),
    ),
    **dict.fromkeys(
        ("APPROX_COUNT_DISTINCT", "APPROX_DISTINCT"), ("function {}", "write COUNT(DISTINCT unit column)")
    ),
    **dict.fromkeys(
        ("EXTRACT", "DATE_TRUNC", "DATE_PART"), ("function {}", "write YEAR(c), QUARTER(c) or MONTH(c)")
    ),
    **dict.fromkeys(("WIDTH_BUCKET", "FLOOR"), ("function {}", "write BIN(c, width)")),
}
_AGGREGATES: Final = {"COUNT", "SUM", "AVG"}
OWN_FUNCTIONS: Final = frozenset(
    {
        "VARIANCE",
        "VAR_POP",
        "STDDEV",
        "STDDEV_POP",
        "MEDIAN",
        "QUANTILE",
        "PERCENTILE_CONT",
        "HISTOGRAM",
        "CORR",
        "COVAR",
        "COVAR_POP",
        "REGR",
        "INCIDENCES",
        "CLIPPED_LOW",
        "CLIPPED_HIGH",
        "TRUNCATED",
        "WEIGHTED",
        "BIN",
        "YEAR",
        "QUARTER",
        "MONTH",
    }
)
_BEFORE_PARENTHESIS: Final = {
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP_BY",
    "AND",
    "OR",
    "NOT",
    "IN",
    "BETWEEN",
    "IS",
    "ALIAS",
    "COMMA",
    "L_PAREN",
    "R_PAREN",
    "EQ",
    "USING",
    "NEQ",
    "LT",
    "LTE",
    "GT",
    "GTE",
    "DASH",
    "STAR",
    "NUMBER",
    "STRING",
    "DOT",
}
_AFTER_A_LIST: Final = {"FROM", "WHERE", "GROUP_BY", "R_PAREN", "COMMA"}
_SPELLINGS: Final = {"==": "write =", "!": "write NOT"}
FORM: Final = ("SELECT keys, aggregates FROM table [JOIN table USING (unit)] [WHERE ...] [GROUP BY keys]"
               " [BOUNDS(c, lower, upper)] WITH PRIVACY (...)")


def unsupported(construct: str, help_: str, at: str) -> Refused:
    """Return the refusal of *construct*, with the nearest help."""
    return Refused(Refusal.UNSUPPORTED, f"{construct} is not supported: {help_}{at}")


def refuse_constructs(source: Source, tokens: Sequence[Token]) -> None:
    """Raise Refused UNSUPPORTED for the first token of a construct that cotally does not speak."""
    if not tokens:
        raise Refused(Refusal.MALFORMED, f"the question has no SELECT: the form is {FORM}")
    _refuse_other_statements(source, tokens)
    _refuse_unbalanced(source, tokens)
    for index, token in enumerate(tokens):
        name = kind(token)
        at = source.at(token.start)
        if name == "SELECT" and index:
            raise unsupported("a subquery", _ONE_TABLE, at)
        if name == "DISTINCT" and not _is_counted(tokens, index):
            raise unsupported(
                _distinct(tokens, index), "cotally counts rows, or persons: COUNT(DISTINCT unit column)", at
            )
        if name == "SEMICOLON":
            raise unsupported("a second statement", "ask one question at a time; the privacy clause belongs"
                              " before the semicolon", at)
        if name == "COMMA" and (index + 1 == len(tokens) or kind(tokens[index + 1]) in _AFTER_A_LIST):
            raise Refused(Refusal.MALFORMED, f"nothing follows the comma{at}")
        if name == "WITH" and index + 1 < len(tokens) and kind(tokens[index + 1]) in ("ROLLUP", "CUBE"):
            raise unsupported(f"WITH {tokens[index + 1].text.upper()}", "ask one question per grouping", at)
        if name == "NULL" and not _is_null_test(tokens, index):
            raise unsupported("NULL as a value", "write IS NULL or IS NOT NULL", at)
        if source.raw(token) in _SPELLINGS:
            raise unsupported(f"the operator {source.raw(token)}", _SPELLINGS[source.raw(token)], at)
        if name == "JOIN" and _first_join_word(tokens, index) is not token:
            start = _first_join_word(tokens, index)
            raise unsupported(f"{echo(start.text.upper())} JOIN", _JOIN, source.at(start.start))
        if name in _TOKENS and not _is_part(tokens, index) and not _is_percentile(tokens, index):
            construct, help_ = _TOKENS[name]
            raise unsupported(construct.format(echo(token.text.upper())), help_, at)
        if name == "VAR" and token.text.startswith("$"):
            raise unsupported(f"a parameter ({echo(token.text)})", "write the value itself", at)
        if index + 1 < len(tokens) and kind(tokens[index + 1]) == "L_PAREN":
            _refuse_call(source, tokens, index)


def _refuse_other_statements(source: Source, tokens: Sequence[Token]) -> None:
    first = tokens[0]
    at = source.at(first.start)
    if kind(first) == "WITH":
        raise unsupported("a common table expression (WITH)", _ONE_TABLE, at)
    if kind(first) in ("L_PAREN", "FROM"):
        raise unsupported(f"a question that begins with {first.text}", f"the form is {FORM}", at)
    if kind(first) != "SELECT":
        word = echo(source.raw(first).upper())
        raise unsupported(f"a statement that begins with {word}", f"the form is {FORM}", at)


def _refuse_unbalanced(source: Source, tokens: Sequence[Token]) -> None:
    open_: list[Token] = []
    for token in tokens:
        if kind(token) == "L_PAREN":
            open_.append(token)
        elif kind(token) == "R_PAREN":
            if not open_:
                raise Refused(Refusal.MALFORMED, f"the parenthesis ) closes nothing{source.at(token.start)}")
            open_.pop()
    if open_:
        raise Refused(Refusal.MALFORMED, f"the parenthesis ( is never closed{source.at(open_[-1].start)}")


def _is_null_test(tokens: Sequence[Token], index: int) -> bool:
    """True for the NULL of IS NULL and IS NOT NULL."""
    before = [kind(token) for token in tokens[max(index - 2, 0) : index]]
    return before[-1:] == ["IS"] or before == ["IS", "NOT"]


def _distinct(tokens: Sequence[Token], index: int) -> str:
    if index > 1 and kind(tokens[index - 1]) == "L_PAREN" and tokens[index - 2].text.isalpha():
        return f"DISTINCT inside {tokens[index - 2].text.upper()}"
    return "SELECT DISTINCT" if index == 1 else "DISTINCT"


def _is_part(tokens: Sequence[Token], index: int) -> bool:
    """True for a keyword that is a name here because a dot joins it to another, as in people.limit."""
    return index > 0 and kind(tokens[index - 1]) == "DOT" and tokens[index].text.isidentifier()


def _first_join_word(tokens: Sequence[Token], index: int) -> Token:
    while index > 0 and kind(tokens[index - 1]) in _JOIN_WORDS:
        index -= 1
    return tokens[index]


def _is_counted(tokens: Sequence[Token], index: int) -> bool:
    """True for the DISTINCT of COUNT(DISTINCT c)."""
    return (index > 1 and kind(tokens[index - 1]) == "L_PAREN" and tokens[index - 2].text.upper() == "COUNT"
            and kind(tokens[index - 2]) != "IDENTIFIER")


def _is_percentile(tokens: Sequence[Token], index: int) -> bool:
    """True for the ORDER BY of WITHIN GROUP (ORDER BY c)."""
    before = [token.text.upper() for token in tokens[max(index - 3, 0):index]]
    return kind(tokens[index]) == "ORDER_BY" and before == ["WITHIN", "GROUP", "("]


def _refuse_call(source: Source, tokens: Sequence[Token], index: int) -> None:
    token = tokens[index]
    word = token.text.upper()
    if kind(token) in _BEFORE_PARENTHESIS or word in _AGGREGATES or word.startswith("COTALLY FUNCTION "):
        return
    if word in OWN_FUNCTIONS and kind(token) != "IDENTIFIER":
        return
    if word == "GROUP" and index and tokens[index - 1].text.upper() == "WITHIN":
        return
    at = source.at(token.start)
    if word == "PRIVACY":
        raise Refused(Refusal.BAD_PRIVACY, f"the privacy clause begins with WITH: write {EXAMPLE}{at}")
    default = (
        f"function {echo(word)}",
        "cotally answers COUNT, SUM, AVG, VARIANCE, STDDEV, MEDIAN, QUANTILE,"
        " HISTOGRAM, CORR, COVAR and REGR",
    )
    construct, help_ = _CALLS.get(word, default)
    raise unsupported(construct.format(word), help_, at)
