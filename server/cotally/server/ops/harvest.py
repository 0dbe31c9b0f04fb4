"""`cotally node init SOURCE`: proposes how a department describes what it holds.

It reads names, types and short lists of values, asks at most five questions, and writes a fragment
of a spec. What only people may decide stays open, so that the fragment is refused until somebody
has decided it: bounds are never taken from the data (a person's extreme income would be in them),
and values become a code list only where somebody confirms that they are public knowledge.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cotally.v1.refusals import Misconfigured

from .harvest_sources import Relation, Seen, relations

_UNITS: Final = ("pid", "person_id", "personid", "patient_id", "patientid", "subject_id", "id", "uid",
                 "身份证号")

Ask = Callable[[str, Sequence[str], str], str]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the questions settle."""

    department: str
    population: str
    units: dict[str, str]  # the unit column, or "row", of each table
    confirmed: bool  # that every proposed code is public knowledge


class InitCommand:
    """`cotally node init`."""

    name = "init"
    help = "read a folder or database, and propose the description of what the department holds"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """SOURCE, where to, and the answers."""
        parser.add_argument("source", metavar="SOURCE",
                            help="a CSV or Parquet file, a folder, or postgresql://role@host/database")
        parser.add_argument("--out", type=Path, metavar="FILE",
                            help="where to write (default: standard output)")
        parser.add_argument("--department", metavar="NAME", help="answers question 1")
        parser.add_argument("--table", action="append", metavar="T",
                            help="answers question 2; repeat for more")
        parser.add_argument("--unit", metavar="COLUMN", help="answers question 3; or row")
        parser.add_argument("--population", metavar="NAME", help="answers question 4")
        parser.add_argument("--codes", choices=["confirm", "leave"],
                            help="answers question 5: is every value listed public knowledge")
        parser.add_argument("-o", choices=["text", "json"], default="text", dest="output")
        parser.epilog = ("Bounds are never filled in: they come from public knowledge, not from records.\n"
                         "Complete the file, and give it to `cotally sandbox` or `cotally federation init`.")

    def run(self, args: argparse.Namespace) -> int:
        """Read, ask, write."""
        found = relations(args.source, args.out.parent if args.out else Path())
        ask = _asker(sys.stdin.isatty() and args.output == "text")
        chosen, answers = settle(found, args, ask)
        text = fragment(chosen, answers)
        if args.out is not None:
            if args.out.exists():
                raise Misconfigured(f"{args.out} exists already; name another --out")
            args.out.write_text(text, "utf-8")
        if args.output == "json":
            print(json.dumps({"out": str(args.out) if args.out else None, "fragment": text,
                              "tables": {r.name: {"rows": r.rows, "unit": answers.units[r.name]}
                                         for r in chosen}}, ensure_ascii=False))
        elif args.out is None:
            sys.stdout.write(text)
        else:
            print(f"wrote {args.out}; every line marked `decide` or `confirm` waits for you", file=sys.stderr)
        return 0


def settle(found: Sequence[Relation], args: argparse.Namespace, ask: Ask) -> tuple[list[Relation], Answers]:
    """Which tables, and the answers: from flags, else from *ask*."""
    department = args.department or ask("1. What is the department called?", (), "department")
    names = [r.name for r in found]
    wanted = args.table or (names if len(names) == 1 else ask(
        "2. Which tables may be asked about (separated by commas)?", names, ",".join(names)).split(","))
    chosen = [r for r in found if r.name in {name.strip() for name in wanted}]
    if not chosen:
        raise Misconfigured(f"none of the tables {', '.join(wanted)} is there; there are {', '.join(names)}")
    guess = candidate(chosen[0])
    unit = args.unit or ask("3. Which column names the person (or: row)?",
                            [c.name for c in chosen[0].columns], guess)
    having = [r.name for r in chosen if unit == "row" or any(c.name == unit for c in r.columns)]
    if not having:
        raise Misconfigured(f"--unit {unit}: table {chosen[0].name} has no such column")
    units = {r.name: unit if r.name in having else candidate(r) for r in chosen}
    population = args.population or ask("4. Whose people are they (a population's name)?", (), "residents")
    listed = any(c.codes for r in chosen for c in r.columns)
    confirmed = listed and (args.codes or ask(
        "5. Is every value that a code list would hold public knowledge, whoever is in the table?",
        ("confirm", "leave"), "leave")) == "confirm"
    return chosen, Answers(department, population, units, confirmed)


def candidate(relation: Relation) -> str:
    """The column that most likely names a person: by name, else by how many values it has."""
    named = [c.name for c in relation.columns if c.name.casefold() in _UNITS]
    if named:
        return min(named, key=lambda name: _UNITS.index(name.casefold()))
    texts = [c for c in relation.columns if c.type in ("category", "integer") and not c.nullable]
    best = max(texts, key=lambda c: c.distinct, default=None)
    return best.name if best is not None and 2 * best.distinct > relation.rows else "row"


def fragment(chosen: Sequence[Relation], answers: Answers) -> str:
    """The commented spec, tables first: TOML that is refused until it is complete."""
    lines = ["# Proposed by `cotally node init`; what is marked `decide` or `confirm` is yours.", ""]
    for relation in chosen:
        unit = answers.units[relation.name]
        lines += [
            "[[tables]]", f"name = {_text(relation.name)}", f"population = {_text(answers.population)}",
            f"unit = {_text(unit)}" + ("  # event-level: one row is one privacy unit" if unit == "row" else
                                       "  # confirm: one value per person, in every row of hers"),
            *(() if unit == "row" else (
                "max_rows_per_person = 1    # decide: rows of a person that count, per group",
                "max_groups_per_person = 1  # decide: groups of a person that count")),
            "# expected_people =         # decide: how many people all departments hold, from public figures",
            "# max_people =              # decide: the most that one department can hold",
            "columns = ["]
        for column in relation.columns:
            if column.name != unit:
                lines += _column(column, answers.confirmed)
        lines += ["]", ""]
    data = ", ".join(f"{_key(r.name)} = {_text(r.address)}" for r in chosen)
    lines += ["[[departments]]", f"name = {_text(answers.department)}",
              "# budget = { epsilon = 1.0 }  # decide: what may be spent on each population",
              f"data = {{ {data} }}", ""]
    return "\n".join(lines)


def _column(column: Seen, confirmed: bool) -> list[str]:
    head = f"  {{ name = {_text(column.name)}, type = {_text(column.type)}"
    if not column.nullable:
        head += ", nullable = false"
    bounds = "from public knowledge, never from the data"
    match column.type:
        case "integer":
            return [f"{head} }},  # decide: lower = , upper = ; {bounds}"]
        case "float":
            return [f"{head} }},  # decide: lower = , upper = , resolution = ; {bounds}"]
        case "date":
            return [f'{head} }},  # decide: lower = "YYYY-MM-DD", upper = ; {bounds}']
        case _ if not column.codes:
            return [f"{head} }},  # decide: codes = [...], or remove the column: it has many values"]
    codes = f"codes = [{', '.join(map(_text, column.codes))}], other = true"
    if confirmed:
        return [f"{head}, {codes} }},  # confirm: must be public knowledge"]
    return [f"{head} }},  # confirm: must be public knowledge:", f"  # {codes}"]


def _asker(terminal: bool) -> Ask:
    def ask(question: str, choices: Sequence[str], default: str) -> str:
        if not terminal:
            return default
        if choices:
            print(f"   {', '.join(choices)}", file=sys.stderr)
        print(f"{question} [{default}] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip() or default
    return ask


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if name.isascii() else _text(name)


command = InitCommand()
