"""Sums over rows of factor * x + shift become factor * sum(x) + shift * count(x), as a person would write.

PostgreSQL interprets every expression of every row, so that this is a quarter of a row-level question.
It is the same integer: where x is NULL the row counts 0 on either side.
"""

from sqlglot import exp


def split(tree: exp.Expression) -> None:
    """Rewrite, in place, the sums of *tree* that are of that form and none other."""
    for total in list(tree.find_all(exp.Sum)):
        if not isinstance(total.parent, exp.Window) and (made := _split(total.this)) is not None:
            total.replace(made)


def _split(summed: exp.Expression) -> exp.Expression | None:
    if isinstance(summed, exp.Placeholder):
        return _times(exp.Count(this=exp.Star()), summed)
    if not isinstance(summed, exp.Case) or len(summed.args["ifs"]) != 1:
        return None
    (branch,) = summed.args["ifs"]
    test, worth = branch.this, summed.args.get("default")
    leaves = isinstance(test, exp.Is) and isinstance(test.expression, exp.Null)
    if not leaves or branch.args["true"] != exp.Literal.number(0) or not isinstance(test.this, exp.Column):
        return None
    value = test.this
    if isinstance(worth, exp.Placeholder):
        return _times(exp.Count(this=value.copy()), worth)
    match _bare(worth):
        case exp.Add(this=product, expression=exp.Placeholder() as shift):
            match _bare(product):
                case exp.Mul(this=x, expression=exp.Placeholder() as factor) if _uncast(x) == value:
                    sums = exp.Coalesce(this=exp.Sum(this=value.copy()), expressions=[exp.Literal.number(0)])
                    return exp.paren(exp.Add(this=_times(sums, factor),
                                             expression=_times(exp.Count(this=value.copy()), shift)))
    return None


def _bare(tree: exp.Expression | None) -> exp.Expression | None:
    return tree.this if isinstance(tree, exp.Paren) else tree


def _uncast(tree: exp.Expression) -> exp.Expression:
    return tree.this if isinstance(tree, exp.Cast) else tree


def _times(count: exp.Expression, worth: exp.Expression) -> exp.Expression:
    """A product that leaves 64 bits where it must: once per group, so that its cost is none."""
    wide = exp.Cast(this=count, to=exp.DataType(this=exp.DataType.Type.INT128, nested=False))
    return exp.paren(exp.Mul(this=wide, expression=worth.copy()))
