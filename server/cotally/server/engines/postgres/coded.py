"""Sums rows by their raw codes first and gives the sums their groups afterwards, as a person would write.

Where every row is a person, the join of each row with the lists of codes is a third of the work; there
are few raw codes, so that joining their sums costs nothing. Sums of sums are the same integers.
"""

from sqlglot import exp


def regroup(tree: exp.Select) -> None:
    """Rewrite *tree* in place, if its groups are sums over `entries` that codes alone number."""
    entries = next((cte.this for cte in tree.ctes if cte.alias == "entries"), None)
    source = next((each for each in tree.args.values() if isinstance(each, exp.From)), None)
    if entries is None or source is None or source.this.name != "entries" or tree.args.get("where"):
        return
    joins = list(entries.args.get("joins") or ())
    if not joins:
        return
    cell = next(each for each in entries.expressions if each.alias == "cell")
    lists = {join.this.alias for join in joins}
    if not all(found.table in lists for found in cell.find_all(exp.Column)):
        return  # a computed key: its number is not read off a list
    raw = [join.args["on"].expression for join in joins]
    entries.set("joins", None)
    entries.set("expressions", [exp.alias_(column.copy(), f"r{i}") for i, column in enumerate(raw)]
                + [each for each in entries.expressions if each is not cell])
    keys = [exp.column(f"r{i}") for i in range(len(raw))]
    parts: dict[exp.Expression, str] = {}
    for each in tree.expressions[1:]:
        for found in list(each.find_all(exp.Sum, exp.Count)):
            name = parts.setdefault(found.copy(), f"a{len(parts)}")
            found.replace(exp.Sum(this=exp.column(name)))
    coded = exp.select(*keys, *(exp.alias_(part, name) for part, name in parts.items())).from_("entries")
    tree.with_("coded", as_=coded.group_by(*(key.copy() for key in keys)), copy=False)
    tree.from_("coded", copy=False)
    for key, join in zip(keys, joins, strict=True):
        join.args["on"].set("expression", key.copy())
        tree.append("joins", join)
    tree.expressions[0].replace(cell)
    tree.set("group", exp.Group(expressions=[exp.Literal.number(1)]))
