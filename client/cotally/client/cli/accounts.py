"""Filters as a table: budget, spent, reserved, left and cumulative, as epsilon and as rho."""

from collections.abc import Sequence
from typing import Any, Final

from .digits import loss
from .output import cell, new_table, print_lines, print_table

_AMOUNTS: Final = ("budget", "spent", "reserved", "left", "cumulative")


def print_accounts(accounts: Sequence[dict[str, Any]]) -> None:
    """Print one line per filter and unit; *accounts* are as in JSON. A purpose has no budget of its own."""
    if not accounts:
        return
    table = new_table(left=("filter", "name", "population", ""), right=_AMOUNTS)
    for each in accounts:
        name = f"{each['name']}: {each['purpose']}" if "purpose" in each else each["name"]
        for sign, unit in (("ε", "epsilon"), ("ρ", "rho")):
            spent_out = each["left_rho"] == "0"
            amounts = [_amount(each, what, unit) for what in _AMOUNTS]
            table.add_row(
                cell(each["filter"]), cell(name), cell(each["population"]), cell(sign),
                *(cell(text, "red" if spent_out and what == "left" else "")
                  for text, what in zip(amounts, _AMOUNTS, strict=True)))
    print_table(table)
    print_lines(["", f"rho adds up; epsilon is the same loss at delta {accounts[0]['delta']:g}", ""])


def _amount(account: dict[str, Any], what: str, unit: str) -> str:
    if "purpose" in account and what in ("budget", "left"):
        return ""
    return loss(account[f"{what}_{unit}"])


def print_after(effects: Sequence[dict[str, Any]]) -> None:
    """Print one line per filter: what is left now, and after a question that was only priced."""
    table = new_table(left=("filter", "name", "population"),
                      right=("left ε", "after ε", "left ρ", "after ρ", "fits"))
    for each in effects:
        style = "" if each["fits"] else "red"
        amounts = [loss(each[f"{what}_{unit}"]) for unit in ("epsilon", "rho") for what in ("left", "after")]
        table.add_row(cell(each["filter"]), cell(each["name"]), cell(each["population"]),
                      *(cell(amount, style) for amount in amounts), cell("✓" if each["fits"] else "✗", style))
    print_table(table)
