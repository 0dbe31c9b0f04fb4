"""What a federation of the sweep is founded on: charter, keys, grants, and totals that nobody may see."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotally.server.audit.policies import next_policy
from cotally.server.coordinator.policies import POLICY
from cotally.server.crypto.signing import SigningKey
from cotally.server.settings.revocations import LIST, write_list
from cotally.server.wire import keys as wire_keys
from cotally.server.wire.federation import VERSION
from cotally.server.wire.signed import sign
from cotally.v1 import catalog_pb2, log_pb2, query_pb2, roster_pb2
from cotally.v1.canonical import digest
from tests.fixtures.keys import small_dealt

from .clock import START_NS

NOW_MS = START_NS // 10**6
ANALYSTS = ("ada", "eve")
HOLDERS = ("holder-1", "holder-2", "holder-3")
DEPARTMENTS = ("east", "north", "south", "west")
BUDGET = 2            # rho, of each department
RENEWED = 3 * 10**12  # pico-rho, of everything, once a policy says so
INCOME = 10**6        # what one person's income is clamped to
_PEOPLE = 10**7       # totals have more than 40 bits: no such number is met by chance


def catalog(departments: Sequence[str]) -> catalog_pb2.Catalog:
    """One joint table of people with a sex and an income."""
    return catalog_pb2.Catalog(federation="sweep", epoch=1, tables=[catalog_pb2.Table(
        name="people", population="residents", unit_column="pid", overlap=1, rows_per_person=1,
        groups_per_person=1, expected_people=_PEOPLE, max_people=_PEOPLE, min_departments=3, vintage="1",
        holders=sorted(departments), columns=[
            catalog_pb2.Column(name="sex", type=catalog_pb2.COLUMN_TYPE_CATEGORY, codes=["0", "1"]),
            catalog_pb2.Column(name="income", type=catalog_pb2.COLUMN_TYPE_INTEGER, lower="0",
                               upper=str(INCOME), nullable=False)])])


def income_by_sex(rho: str) -> query_pb2.Query:
    """SELECT sex, SUM(income) AS total FROM people GROUP BY sex"""
    return query_pb2.Query(
        table="people", keys=["sex"],
        statistics=[query_pb2.Statistic(alias="total", kind=query_pb2.STATISTIC_KIND_SUM, column="income")],
        privacy=query_pb2.PrivacyClause(rho=rho, confidence="0.95", mechanism=query_pb2.MECHANISM_GAUSSIAN))


def exact(department: str) -> list[int]:
    """The un-noised vector of a department: the same in every run."""
    rng = random.Random(f"holding of {department}")
    return [rng.randrange(2**41, 2**42) for _ in range(2)]


@dataclass(frozen=True)
class Founded:
    """The files that a ceremony leaves, and who they are for."""

    folder: Path
    charter: roster_pb2.Charter
    keys: dict[str, SigningKey]
    departments: tuple[str, ...]

    @property
    def pin(self) -> bytes:
        """Fingerprint of the roster."""
        return digest("roster", self.charter.roster)

    @property
    def roles(self) -> tuple[str, ...]:
        """Every process."""
        return ("coordinator", *self.departments, *HOLDERS)

    def envelope(self, analyst: str, query_id: bytes, query: query_pb2.Query, now_ms: int,
                 ) -> query_pb2.SignedEnvelope:
        """A signed question."""
        body = query_pb2.Envelope(
            federation="sweep", roster=self.pin, analyst=analyst, purpose="statistics", query_id=query_id,
            expires_ms=now_ms + 120_000, query=query)
        return query_pb2.SignedEnvelope(body=body, signature=sign(self.keys[analyst], "envelope", body))


    def renew(self) -> None:
        """Lay a policy, which every department approved, where the coordinator looks for one."""
        policy = next_policy(
            self.charter.roster, None,
            [roster_pb2.FilterBudget(
                population="residents", analyst=analyst, purpose=purpose, pico_loss=RENEWED)
             for analyst in ("", *ANALYSTS) for purpose in ("", "statistics")],
            [roster_pb2.DepartmentBudget(department=name, population="residents", pico_loss=RENEWED)
             for name in self.departments])
        approvals = [roster_pb2.Approval(department=name, signature=sign(self.keys[name], "policy", policy))
                     for name in self.departments]
        leaf = log_pb2.PolicyLeaf(policy=policy, approvals=approvals)
        (self.folder / POLICY).write_bytes(leaf.SerializeToString(deterministic=True))

    def revoke(self, issuer: str, **taken: Any) -> None:
        """Lay the first list of *issuer*, a department or the coordinator, where it looks for one."""
        body = query_pb2.Revocation(federation="sweep", founding=self.pin, issuer=issuer, serial=1,
                                    issued_ms=NOW_MS, next_update_ms=NOW_MS + 10**9, **taken)
        write_list(self._list(issuer), query_pb2.SignedRevocation(
            body=body, signature=sign(self.keys[issuer], "revocation", body)))

    def tidy(self) -> None:
        """Take away again what was laid there: other runs begin without."""
        for path in (self.folder / POLICY, *map(self._list, self.roles)):
            path.unlink(missing_ok=True)

    def _list(self, issuer: str) -> Path:
        return (self.folder / f"{issuer}-grants" if issuer in self.departments else self.folder) / LIST


def found(folder: Path, departments: tuple[str, ...]) -> Founded:
    """Found a federation in the new *folder*."""
    folder.mkdir(parents=True)
    names = (*ANALYSTS, "coordinator", *departments, *HOLDERS)
    keys = {name: SigningKey.generate() for name in names}
    charter = _charter(departments, keys)
    (folder / "charter.bin").write_bytes(charter.SerializeToString(deterministic=True))
    for name, key in keys.items():
        key.save(folder / f"{name}.pem")
    founded = Founded(folder, charter, keys, departments)
    for name in founded.roles:
        (folder / f"{name}.toml").write_text(_config(name, founded.pin))
    for department in departments:
        grants = folder / f"{department}-grants"
        grants.mkdir()
        for analyst in ANALYSTS:
            body = query_pb2.Grant(
                federation="sweep", founding=digest("roster", charter.roster), department=department,
                analyst=analyst, purposes=["statistics"], tables=["people"],
                not_before_ms=NOW_MS - 10**9, not_after_ms=NOW_MS + 10**9)
            signed = query_pb2.SignedGrant(body=body, signature=sign(keys[department], "grant", body))
            (grants / f"{analyst}.grant").write_bytes(signed.SerializeToString())
    return founded


def _config(name: str, pin: bytes) -> str:
    """The configuration file of role *name*; what it says of the state folder is only a beginning."""
    common = {"name": name, "roster": pin.hex(), "charter": "charter.bin", "ca": "no", "certificate": "no",
              "key": "no", "signing_key": f"{name}.pem", "state": "state"}
    own = {"coordinator": "memory:1"}
    if name == "coordinator":
        own = {"listen": "memory:1"}
    elif name in HOLDERS:
        own["share"] = "no"
    else:
        own |= {"grants": f"{name}-grants", "noise": "exact"}
    lines = [f'{key} = "{value}"' for key, value in (common | own).items()]
    if "grants" in own:
        lines += ["accept_min_departments = 3", "[data]", 'people = "no.csv"', "[budget]",
                  f"residents = {{ rho = {BUDGET} }}"]
    return "\n".join(lines) + "\n"


def _charter(departments: Sequence[str], keys: dict[str, SigningKey]) -> roster_pb2.Charter:
    dealt = small_dealt()
    key = wire_keys.to_message(dealt.public, dealt.wellformed, dealt.trial)
    listed = catalog(departments)
    roles = {**dict.fromkeys(ANALYSTS, roster_pb2.ROLE_ANALYST), "coordinator": roster_pb2.ROLE_COORDINATOR,
             **dict.fromkeys(departments, roster_pb2.ROLE_NODE),
             **dict.fromkeys(HOLDERS, roster_pb2.ROLE_KEY_HOLDER)}
    roster = roster_pb2.Roster(
        version=VERSION, federation="sweep", epoch=1, catalog=digest("catalog", listed),
        public_key=digest("public_key", key),
        members=[roster_pb2.Member(
            name=name, role=roles[name], signing_key=keys[name].public, tls_key=bytes([i]) * 32,
            share=HOLDERS.index(name) + 1 if name in HOLDERS else 0)
            for i, name in enumerate(sorted(roles))],
        policy=roster_pb2.Policy(min_departments=3, colluding=1, delta="0.000000001", round_ms=60_000,
                                 tick_ms=100, threshold=2, encryption=roster_pb2.ENCRYPTION_DJN))
    approvals = [roster_pb2.Approval(department=d, signature=sign(keys[d], "roster", roster))
                 for d in departments]
    return roster_pb2.Charter(roster=roster, catalog=listed, public_key=key, approvals=approvals)
