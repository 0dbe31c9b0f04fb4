"""`cotally node init SOURCE`: proposes how a department describes what it holds.

It reads names, types and short lists of values, asks at most five questions, and writes a fragment
of a spec. What only people may decide stays open, so that the fragment is refused until somebody
has decided it: bounds are never taken from the data (a person's extreme income would be in them),
and values become a code list only where somebody confirms that they are public knowledge.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cotally.server.model.catalog import OTHER
from cotally.v1.refusals import Misconfigured

from .harvest_sources import relations
from .relation import MAX_CODES, Relation, Seen, nameable

_UNITS: Final = ("pid", "person_id", "personid", "patient_id", "patientid", "subject_id", "id", "uid",
                 "身份证号", "身份证号码", "公民身份号码", "身份证", "证件号码", "人员编号", "个人编号",
                 "编号")

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
                            help="a CSV or Parquet file, a folder of them, or the address of a database: "
                                 "postgresql://role@host/database, spark://local?path=folder, sc://...")
        parser.add_argument("--out", type=Path, metavar="FILE",
                            help="where to write (default: standard output)")
        parser.add_argument("--department", metavar="NAME", help="answers question 1")
        parser.add_argument("--table", action="append", metavar="T",
                            help="answers question 2; repeat for more")
        parser.add_argument("--unit", metavar="COLUMN", help="answers question 3; or row")
        parser.add_argument("--population", metavar="NAME", help="answers question 4")
        parser.add_argument("--codes", choices=["confirm", "leave"],
                            help="answers question 5: is every value listed public knowledge")
        parser.add_argument("--yes", action="store_true",
                            help="ask nothing; what is not answered here gets its default")
        parser.add_argument("-o", choices=["text", "json"], default="text", dest="output")
        parser.epilog = ("Examples\n  cotally node init data/ --out part.toml\n"
                         "  cotally node init data/people.csv --yes --department north --codes confirm\n\n"
                         "Bounds are never filled in: they come from public knowledge, not from records.\n"
                         "Complete the file, and give it to `cotally sandbox` or `cotally federation init`.")

    def run(self, args: argparse.Namespace) -> int:
        """Read, ask, write."""
        out: Path | None = args.out
        if out is not None:
            _check_free(out)
        found, left = relations(args.source, out.parent if out else Path())
        for sentence in left:
            print(f"left out: {sentence}", file=sys.stderr)
        asked = sys.stdin.isatty() and args.output == "text" and not args.yes
        chosen, answers = settle(found, args, _asker(asked))
        text = fragment(chosen, answers)
        if out is not None:
            _write(out, text)
        if args.output == "json":
            print(json.dumps({"out": str(out) if out else None, "fragment": text, "left_out": left,
                              "tables": {r.name: {"rows": r.rows, "unit": answers.units[r.name]}
                                         for r in chosen}}, ensure_ascii=False))
        elif out is None:
            sys.stdout.write(text)
        else:
            print(f"wrote {out}; every line marked `decide` or `confirm` waits for you", file=sys.stderr)
        return 0


def _check_free(out: Path) -> None:
    """Refuse before anything is read or asked: what somebody completed by hand is never overwritten."""
    if out.exists():
        raise Misconfigured(f"{out} exists already; name another --out")
    if not out.parent.is_dir():
        raise Misconfigured(f"{out.parent}: there is no such folder")


def _write(out: Path, text: str) -> None:
    """Write all of *text*, or leave nothing."""
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        draft.write_text(text, "utf-8")
        os.link(draft, out)  # unlike rename, it never replaces
    except FileExistsError:
        raise Misconfigured(f"{out} exists already; name another --out") from None
    except OSError as error:
        raise Misconfigured(f"{out} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


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
    if unit != "row" and not nameable(unit):
        raise Misconfigured(f"--unit {unit!r}: a unit column's name is of letters, digits and '_'; rename it "
                            "in the source")
    units = {r.name: unit if r.name in having else candidate(r) for r in chosen}
    population = args.population or ask("4. Whose people are they (a population's name)?", (), "residents")
    listed = any(c.codes for r in chosen for c in r.columns)
    confirmed = listed and (args.codes or ask(
        "5. Is every value that a code list would hold public knowledge, whoever is in the table?",
        ("confirm", "leave"), "leave")) == "confirm"
    return chosen, Answers(department, population, units, confirmed)


def candidate(relation: Relation) -> str:
    """The column that most likely names a person: by name, else by how many values it has."""
    columns = [c for c in relation.columns if c.type and nameable(c.name)]
    named = [c.name for c in columns if c.name.casefold() in _UNITS]
    if named:
        return min(named, key=lambda name: _UNITS.index(name.casefold()))
    texts = [c for c in columns if c.type in ("category", "integer") and not c.nullable]
    most = max((c.distinct for c in texts), default=0)
    if 2 * most <= relation.rows:
        return "row"
    return next(c.name for c in texts if 10 * c.distinct >= 9 * most)  # engines count about; ids stand first


def fragment(chosen: Sequence[Relation], answers: Answers) -> str:
    """The commented spec, tables first: TOML that is refused until it is complete."""
    lines = ["# Proposed by `cotally node init`; what is marked `decide` or `confirm` is yours.",
             "# All departments' parts make one spec, which begins with:",
             "# [federation]", '# name = "..."', ""]
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
    if not nameable(column.name):
        return [f"  # left out: {_text(column.name)}; rename it in the source (letters, digits and '_')"]
    if not column.type:
        return [f"  # left out: {column.name}; values of its type cannot be asked about"]
    head = f"  {{ name = {_text(column.name)}, type = {_text(column.type)}"
    if not column.nullable:
        head += ", nullable = false"
    bounds = "from public knowledge, never from the data"
    match column.type:
        case "integer":
            few = "; or a category, if it is a code" if column.distinct <= MAX_CODES else ""
            return [f"{head} }},  # decide: lower = , upper = ; {bounds}{few}"]
        case "float":
            return [f"{head} }},  # decide: lower = , upper = , resolution = ; {bounds}"]
        case "date":
            return [f'{head} }},  # decide: lower = "YYYY-MM-DD", upper = ; {bounds}']
        case _ if not column.distinct:
            return [f"{head} }},  # decide: its type, since it has no values here; or remove the column"]
        case _ if not set(column.codes) - {OTHER}:
            return [f"{head} }},  # decide: codes = [...], or remove the column: it has many values"]
    listed = [code for code in column.codes if code != OTHER]  # that is what the cell for the rest is called
    codes = f"codes = [{', '.join(map(_text, listed))}], other = true"
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
