"""Returns the federation that a SPEC.toml describes, checked; the format is the sandbox's.

Every rule that a spec must keep stands here or in `columns`: a spec that parses makes a federation
that plans, prices and answers. Whether data files exist is asked separately (`check_data`), since
a dealer does not hold them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from cotally.server.dp.noise import Noise
from cotally.server.engines.source import absolute, is_url, parse, spelling
from cotally.server.model.catalog import Table
from cotally.server.model.encryption import Encryption
from cotally.server.model.pace import Pace
from cotally.server.model.plan import ANSWER_BASE_MS
from cotally.v1.refusals import Misconfigured

from .budgets import Budget, read_budget
from .columns import read_columns
from .quality import read_quality
from .reader import Section, read_toml

KEY_BITS = (2048, 3072, 4096)
MAX_KEY_HOLDERS = 16
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Department:
    """One department: its budget for each population, and where its tables lie."""

    name: str
    budget: Budget
    data: dict[str, str]  # table -> path or address as written; paths are relative to the spec
    noise: Noise  # who draws it


@dataclass(frozen=True, slots=True)
class Analyst:
    """One analyst, the purposes that may be stated, and an optional budget per population."""

    name: str
    purposes: tuple[str, ...]
    budget: Budget | None


@dataclass(frozen=True, slots=True)
class Spec:
    """A federation before it has keys."""

    file: Path
    name: str
    key_bits: int
    key_holders: int
    threshold: int
    min_departments: int
    colluding: int
    delta: Fraction
    round_ms: int
    tick_ms: int
    answer_base_ms: int
    answer_pace: Pace
    encryption: Encryption
    population_budget: Budget | None
    tables: tuple[Table, ...]
    departments: tuple[Department, ...]
    analysts: tuple[Analyst, ...]

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of all populations, sorted."""
        return tuple(sorted({t.population for t in self.tables}))

    @property
    def pure(self) -> frozenset[str]:
        """Those that count in epsilon."""
        return frozenset(t.population for t in self.tables if t.pure)

    def data_source(self, department: Department, table: str) -> str:
        """Where the data of *table* lie: an absolute path, the spec's own folder the base; or an address."""
        said = department.data[table]
        return absolute(said, self.file.parent) if is_url(said) else str((self.file.parent / said).resolve())


def load_spec(file: Path) -> Spec:
    """The spec in *file*; raises Misconfigured naming file and key."""
    file = file.resolve()
    top = read_toml(file)
    rules = top.section("federation")
    tables = top.sections("tables")
    departments = _departments(top.sections("departments"), tables)
    analysts = (_analysts(top.sections("analysts")) if top.has("analysts")
                else (Analyst("analyst", ("statistics",), None),))
    top.done()
    spec = _spec(file, rules, tables, departments, analysts)
    _check_names(file, spec)
    return spec


def check_data(spec: Spec) -> None:
    """Refuse a spec whose data files are not there; databases are asked by the nodes themselves."""
    for i, department in enumerate(spec.departments):
        for table in department.data:
            path = Path(source := spec.data_source(department, table))
            if not is_url(source) and not path.is_file():
                wrong = f"{path} is a folder, not a file" if path.is_dir() else f"there is no file {path}"
                raise Misconfigured(f"{spec.file}: departments[{i}].data.{table}: {wrong}")


def _spec(file: Path, s: Section, tables: list[Section], departments: tuple[Department, ...],
          analysts: tuple[Analyst, ...]) -> Spec:
    name = s.name("name")
    key_bits = s.integer("key_bits", KEY_BITS[0], KEY_BITS[-1], 3072)
    if key_bits not in KEY_BITS:
        s.refuse("key_bits", f"must be one of {', '.join(map(str, KEY_BITS))}, not {key_bits}")
    holders = s.integer("key_holders", 1, MAX_KEY_HOLDERS, 3)
    threshold = s.integer("threshold", 1, holders, min(2, holders))
    minimum = s.integer("min_departments", 1, 10_000, 3)
    colluding = s.integer("colluding", 1, 10_000, 1)
    if minimum - colluding < 1:
        s.refuse("min_departments", f"must exceed colluding ({colluding}), so that noise does not rest on "
                                    f"colluding departments alone; it is {minimum}")
    if colluding + threshold - 1 >= len(departments) + holders:
        s.refuse("colluding", "leaves no honest witness: colluding + threshold - 1 must be below the number "
                              "of departments and key holders together")
    round_seconds = s.number("round_seconds", "20")
    if not 1 <= round_seconds <= _DAY_SECONDS:
        s.refuse("round_seconds", f"must be from 1 to {_DAY_SECONDS} seconds")
    tick_ms = s.integer("tick_ms", 1, 60_000, 50)
    if tick_ms > round_seconds * 1000:
        s.refuse("tick_ms", "must not be longer than the round")
    answer_base_ms = s.integer("answer_base_ms", 1, 60_000, ANSWER_BASE_MS)
    answer_pace = Pace[s.choice("answer_pace", [p.spelling for p in Pace], "portable").upper()]
    encryption = Encryption[s.choice("encryption", [e.spelling for e in Encryption], "djn").upper()]
    population_budget = read_budget(s, "population_budget") if s.has("population_budget") else None
    read = tuple(_table(t, i, name, minimum, colluding, departments) for i, t in enumerate(tables))
    _check_tables(tables, read)
    delta = s.number("delta", "1e-6")
    largest = max(t.expected_people for t in read)
    if not 0 < delta <= Fraction(1, 10 * largest):
        s.refuse("delta", f"must be above 0 and at most 1/(10 x {largest}), {largest} being the largest "
                          f"expected_people; that is {float(Fraction(1, 10 * largest)):.3g}")
    s.done()
    spec = Spec(file, name, key_bits, holders, threshold, minimum, colluding, delta,
                int(round_seconds * 1000), tick_ms, answer_base_ms, answer_pace, encryption,
                population_budget, read, departments, analysts)
    _check_budgets(spec)
    return spec


def _table(s: Section, i: int, federation: str, minimum: int, colluding: int,
           departments: Sequence[Department]) -> Table:
    name = s.identifier("name")
    holders = tuple(sorted(d.name for d in departments if name in d.data))
    if not holders:
        s.refuse("name", f"{name!r} is held by no department; add it to a department's data")
    unit = s.identifier("unit")
    population = s.name("population", federation)
    least = s.integer("min_departments", 1, 10_000, min(minimum, len(holders)))
    if least > len(holders):
        s.refuse("min_departments", f"must be at most {len(holders)}, the departments that hold the table, "
                                    f"not {least}")
    if len(holders) > 1 and least - colluding < 1:
        s.refuse("min_departments", f"must exceed federation.colluding ({colluding}), not be {least}; of "
                                    f"the {len(holders)} holders one must be honest")
    most = 1 if unit == "row" else 10_000  # a row lies in one group, once
    people = s.integer("max_people", 1, 10**10, 100_000)
    stated = s.has("expected_people")
    expected = s.integer("expected_people", 1, 10**10, 1000)
    if stated and expected > people * len(holders):
        s.refuse("expected_people", f"must be at most {people * len(holders)}, which is max_people times the "
                                    f"{len(holders)} departments, not {expected}")
    table = Table(
        name=name, population=population, unit=None if unit == "row" else unit,
        overlap=s.integer("overlap", 1, len(holders), 1),
        rows_per_person=s.integer("max_rows_per_person", 1, most, 1),
        groups_per_person=s.integer("max_groups_per_person", 1, most, 1),
        expected_people=expected, max_people=people,
        min_departments=least, vintage=s.text("vintage", "1"),
        columns=read_columns(s.sections("columns")), holders=holders, quality=read_quality(s),
        pure=s.flag("pure", False))
    s.done()
    return table


def _check_tables(sections: Sequence[Section], tables: Sequence[Table]) -> None:
    for i, table in enumerate(tables):
        for other in tables[:i]:
            if other.name == table.name:
                sections[i].refuse("name", f"repeats {table.name!r}")
            if other.population == table.population and (other.unit is None) != (table.unit is None):
                sections[i].refuse(
                    "population", f"{table.population!r} would hold persons and single rows at once (as "
                                  f"{other.name!r} says); give event-level tables one of their own")
            if other.population == table.population and other.pure != table.pure:
                pure, normal = (table, other) if table.pure else (other, table)
                sections[i].refuse(
                    "pure", f"is true for {pure.name!r} and not for {normal.name!r}, both of population "
                            f"{table.population!r}, which counts in one thing: let all its tables agree")


def _departments(sections: list[Section], tables: list[Section]) -> tuple[Department, ...]:
    known = [t.identifier("name") for t in tables]
    return tuple(_department(s, known) for s in sections)


def _department(s: Section, known: Sequence[str]) -> Department:
    name = s.name("name")
    budget = read_budget(s, "budget")
    data = s.section("data")
    names = data.keys()
    if not names:
        s.refuse("data", "names no table; write data = { table = \"file.csv\" }")
    for table in names:
        if table not in known:
            data.refuse(table, f"is no table of this spec; known are {', '.join(known)}")
    noise = Noise(s.choice("noise", [n.value for n in Noise], Noise.OPENDP.value))
    s.done()
    return Department(name, budget, {table: _data(s.file, data, table) for table in names}, noise)


def _data(file: Path, s: Section, table: str) -> str:
    """The one spelling of where *table* lies, checked as far as it can be from here."""
    try:
        said = spelling(s.value(table))
        parse(said, file.parent)
    except ValueError as reason:
        s.refuse(table, str(reason))
    return said


def _analysts(sections: list[Section]) -> tuple[Analyst, ...]:
    found = []
    for s in sections:
        found.append(Analyst(s.name("name"), s.texts("purposes", ["statistics"]),
                             read_budget(s, "budget") if s.has("budget") else None))
        s.done()
    return tuple(found)


def _check_budgets(spec: Spec) -> None:
    """Refuse a budget that buys nothing in a population that it is for."""
    stated = [(d.budget, {t.population for t in spec.tables if t.name in d.data}) for d in spec.departments]
    overall = [spec.population_budget, *(a.budget for a in spec.analysts)]
    stated += [(budget, {*spec.populations}) for budget in overall if budget]
    for budget, populations in stated:
        for population in sorted(populations):
            budget.pico_loss(population, spec.pure, spec.delta)


def _check_names(file: Path, spec: Spec) -> None:
    """One namespace for all members: a name says who signed."""
    taken = {"coordinator": "the coordinator"}
    taken |= {f"keyholder-{i}": "a key holder" for i in range(1, spec.key_holders + 1)}
    members = [(f"departments[{i}].name", d.name) for i, d in enumerate(spec.departments)]
    members += [(f"analysts[{i}].name", a.name) for i, a in enumerate(spec.analysts)]
    for place, name in members:
        if name in taken:
            raise Misconfigured(f"{file}: {place} {name!r} is already the name of {taken[name]}")
        taken[name] = place.removesuffix(".name")
