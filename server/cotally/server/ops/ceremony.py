"""Holds the ceremony: from a spec to one folder per member, with keys, certificates and one charter.

  1. The dealer makes the Paillier key and its shares, with the proofs that it publishes.
  2. A small CA certifies every member's TLS key; each member has an Ed25519 key that signs.
  3. Catalog, policy, key and members make the roster; its digest is the fingerprint that all pin.
  4. Each department approves the roster and signs its grants, where the dealer made its keys;
     with keys of their own (`join`), departments do both themselves afterwards.
  5. Each member gets a folder. It appears whole under its final name, or not at all.

    DIR/ca  DIR/coordinator  DIR/nodes/NAME  DIR/keyholders/NAME  DIR/analysts/NAME
"""

import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cotally.server.crypto import ceremony as crypto
from cotally.server.crypto import private_files, sharefile
from cotally.server.wire import keys as wire_keys
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured

from . import folders, pki
from .charter import EPOCH, make_charter
from .enrolment import Party, Request, admit, make_party
from .grants import Terms, now_ms, sign_grant, write_grant
from .spec import Department, Spec

KEPT = "passphrase"  # the file beside a share, in a sandbox only
LOOPBACK = "127.0.0.1:0"  # the coordinator takes a free port and says which in state/address
Progress = Callable[[str], None]
DataPath = Callable[[Department, str], str]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Everything about a ceremony that is not in the spec. The repr hides the passphrases."""

    coordinator: str  # host:port that members dial
    listen: str  # host:port that the coordinator binds
    data_path: DataPath  # what a department's config says about a table's file
    requests: Mapping[str, Request]  # members that made their own keys
    passphrases: Sequence[bytes]  # one per key holder
    passphrase_file: str = ""  # where their configs will find it; empty: asked for at every start

    def __repr__(self) -> str:
        return f"Arrangement(coordinator={self.coordinator!r}, ...)"


@dataclass(frozen=True, slots=True)
class Held:
    """What a ceremony leaves behind."""

    folder: Path
    charter: roster_pb2.Charter
    roster: bytes  # the fingerprint that everybody pins


def hold(spec: Spec, into: Path, arrangement: Arrangement, progress: Progress) -> Held:
    """Hold the ceremony of *spec*; *into* must not exist yet, or be empty. Raises Misconfigured."""
    into = into.absolute()
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise Misconfigured(f"{into}: this folder is not empty; a federation's keys are never overwritten")
    roles = _roles(spec)
    for name, request in arrangement.requests.items():
        if roles.get(name) != request.role:
            raise Misconfigured(f"{request.file}: the spec has no {request.role} called {name!r}")
    making = into.parent / f".{into.name}.{secrets.token_hex(4)}"
    try:
        folders.make_folder(making)
        held = _fill(spec, making, arrangement, progress)
        if into.exists():
            into.rmdir()
        making.rename(into)
    except OSError as reason:
        raise Misconfigured(f"{into}: cannot be made: {reason.strerror}") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Held(into, held.charter, held.roster)


def _roles(spec: Spec) -> dict[str, str]:
    """The role of every member by name."""
    return {"coordinator": "coordinator"} | dict.fromkeys((d.name for d in spec.departments), "node") \
        | {f"keyholder-{i}": "keyholder" for i in range(1, spec.key_holders + 1)} \
        | dict.fromkeys((a.name for a in spec.analysts), "analyst")


def member_names(spec: Spec) -> list[str]:
    """Everybody that the roster will name, sorted."""
    return sorted(_roles(spec))


def member_folder(root: Path, role: str, name: str) -> Path:
    """Where the folder of a member lies under *root*."""
    return root / role if role == "coordinator" else root / f"{role}s" / name


def _fill(spec: Spec, root: Path, arrangement: Arrangement, progress: Progress) -> Held:
    dealt = crypto.deal(spec.key_bits, spec.key_holders, spec.threshold, EPOCH, progress)
    key = wire_keys.to_message(dealt.public, dealt.wellformed, dealt.trial)
    progress(f"certifying {len(_roles(spec))} members")
    authority = pki.create_authority(folders.make_folder(root / "ca"), spec.name)
    parties = {name: _party(authority, root, name, role, arrangement)
               for name, role in _roles(spec).items()}
    signers = [(d.name, signer) for d in spec.departments if (signer := parties[d.name].signer)]
    charter = make_charter(spec, [p.member for p in parties.values()], key, signers)
    roster = digest("roster", charter.roster)
    ca = (root / "ca" / pki.CA_CERTIFICATE).read_bytes()
    for party in parties.values():
        (party.folder / folders.CA).write_bytes(ca)
        if party.member.role != roster_pb2.ROLE_ANALYST:
            (party.folder / folders.CHARTER).write_bytes(charter.SerializeToString(deterministic=True))
    for share, passphrase in zip(dealt.shares, arrangement.passphrases, strict=True):
        name = f"keyholder-{share.index}"
        sharefile.write(parties[name].folder / f"{name}.share", share, wire_keys.share_binding(dealt.public),
                        passphrase)
    _write_configs(spec, parties, roster, arrangement)
    _sign_grants(spec, charter.roster, parties)
    return Held(root, charter, roster)


def _party(authority: pki.Authority, root: Path, name: str, role: str, arrangement: Arrangement) -> Party:
    folder = folders.make_folder(member_folder(root, role, name))
    host = arrangement.coordinator.rpartition(":")[0].strip("[]")
    hosts = [host] if role == "coordinator" else []
    share = int(name.rpartition("-")[2]) if role == "keyholder" else 0
    request = arrangement.requests.get(name)
    if request is not None:
        return admit(authority, folder, request, share, hosts)
    return make_party(authority, folder, name, role, share, hosts)


def _write_configs(spec: Spec, parties: Mapping[str, Party], roster: bytes, arrangement: Arrangement) -> None:
    def write(role: str, name: str, config: Mapping[str, folders.Value]) -> None:
        folders.write_folder(parties[name].folder, role, name, spec.name, config)

    write("coordinator", "coordinator",
          folders.base_config("coordinator", roster) | {"listen": arrangement.listen})
    dial: dict[str, folders.Value] = {"coordinator": arrangement.coordinator}
    populations = {t.name: t.population for t in spec.tables}
    for d in spec.departments:
        folders.make_folder(parties[d.name].folder / "grants")
        stated = {d.budget.unit.value: d.budget.amount}
        budgets = dict.fromkeys(sorted({populations[t] for t in d.data}), stated)
        write("node", d.name, folders.base_config(d.name, roster) | dial | {
            "grants": "grants", "noise": d.noise.value,
            "data": {t: arrangement.data_path(d, t) for t in d.data}, "budget": budgets})
    kept: dict[str, folders.Value] = (
        {"passphrase_file": arrangement.passphrase_file} if arrangement.passphrase_file else {})
    for i in range(1, spec.key_holders + 1):
        name = f"keyholder-{i}"
        write("keyholder", name, folders.base_config(name, roster) | dial | {
            "share": f"{name}.share"} | kept)
    for a in spec.analysts:
        base = folders.base_config(a.name, roster)
        write("analyst", a.name, {k: v for k, v in base.items() if k not in ("charter", "state")} | dial | {
            "purposes": a.purposes})


def _sign_grants(spec: Spec, first: roster_pb2.Roster, parties: Mapping[str, Party]) -> None:
    """One grant per department and analyst, for every table that the department holds."""
    now = now_ms()
    for d in spec.departments:
        if (signer := parties[d.name].signer) is None:
            continue
        for a in spec.analysts:
            terms = Terms(a.name, a.purposes, list(d.data))
            write_grant(parties[d.name].folder / "grants", sign_grant(first, d.name, signer, terms, now))


def sandbox_arrangement(spec: Spec) -> Arrangement:
    """Everything on this machine: loopback, absolute data paths, passphrases made up and kept."""
    return Arrangement(
        coordinator=LOOPBACK, listen=LOOPBACK, requests={},
        data_path=spec.data_source,
        passphrase_file=KEPT,
        passphrases=[secrets.token_hex(16).encode() for _ in range(spec.key_holders)])


def keep_passphrases(held: Held, passphrases: Sequence[bytes]) -> None:
    """Lay each key holder's passphrase beside its share: only for a sandbox, which has no secrets."""
    for i, passphrase in enumerate(passphrases, start=1):
        folder = member_folder(held.folder, "keyholder", f"keyholder-{i}")
        private_files.write(folder / KEPT, passphrase + b"\n")
