"""Filters as a table: budget, spent, reserved, left and cumulative, as epsilon and, if counted, as rho."""

from collections.abc import Sequence
from typing import Any, Final

from .digits import NOTHING, loss
from .output import cell, new_table, print_lines, print_table

_AMOUNTS: Final = ("budget", "spent", "reserved", "left", "cumulative")


def print_accounts(accounts: Sequence[dict[str, Any]]) -> None:
    """Print one line per filter and unit; *accounts* are as in JSON."""
    if not accounts:
        return
    table = new_table(left=("filter", "name", "population", ""), right=_AMOUNTS)
    for each in accounts:
        for sign, unit in (("ε", "epsilon"), ("ρ", "rho"))[:1 if _is_pure(each) else 2]:
            spent_out = each["left_epsilon"] == 0
            amounts = [loss(each[f"{what}_{unit}"]) for what in _AMOUNTS]
            table.add_row(
                cell(each["filter"]), cell(_name(each)), cell(each["population"]), cell(sign),
                *(cell(text, "red" if spent_out and what == "left" else "")
                  for text, what in zip(amounts, _AMOUNTS, strict=True)))
    print_table(table)
    deltas = sorted({each["delta"] for each in accounts if not _is_pure(each)})
    pure = sorted({each["population"] for each in accounts if _is_pure(each)})
    print_lines(["", *(f"rho adds up; epsilon is the same loss at delta {delta:g}" for delta in deltas),
                 *(f"{population} is pure: epsilon adds up, and delta is 0" for population in pure), ""])


def print_after(effects: Sequence[dict[str, Any]]) -> None:
    """Print one line per filter: what is left now, and after a question that was only priced."""
    table = new_table(left=("filter", "name", "population"),
                      right=("left ε", "after ε", "left ρ", "after ρ", "fits"))
    for each in effects:
        style = "" if each["fits"] else "red"
        amounts = [loss(each[f"{what}_epsilon"]) for what in ("left", "after")]
        amounts += [NOTHING if _is_pure(each) else loss(each[f"{what}_rho"]) for what in ("left", "after")]
        table.add_row(cell(each["filter"]), cell(_name(each)), cell(each["population"]),
                      *(cell(amount, style) for amount in amounts), cell("✓" if each["fits"] else "✗", style))
    print_table(table)


def _is_pure(account: dict[str, Any]) -> bool:
    """Whether it counts in epsilon."""
    return not account["delta"]


def _name(account: dict[str, Any]) -> str:
    """Whose it is; a purpose's filter is an analyst's for that purpose, or all analysts'."""
    if "purpose" not in account:
        return str(account["name"])
    return f"{account['name'] or 'all analysts'}: {account['purpose']}"
