"""Which packages are installed, extra by extra, against what this version of cotally asks for."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import zip_longest
from typing import Final

from .findings import Finding, fail, ok, warn

_LINE: Final = re.compile(r"^([\w.-]+)\s*([^;]*?)\s*(?:;\s*extra\s*==\s*[\"']([\w-]+)[\"'])?$")
_BOUND: Final = re.compile(r"(>=|<|==)\s*([\d.]+)")
_ROLES: Final = ("plot", "node", "coordinator", "keyholder")  # what somebody may want to have

Installed = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package and the versions that fit; *extra* is "" for what every installation needs."""

    name: str
    bounds: tuple[tuple[str, tuple[int, ...]], ...]
    extra: str

    def fits(self, version: str) -> bool:
        """Whether *version* lies within every bound."""
        return all(_within(_numbers(version), sign, bound) for sign, bound in self.bounds)

    def __str__(self) -> str:
        return self.name + ",".join(sign + ".".join(map(str, bound)) for sign, bound in self.bounds)


def read(lines: Sequence[str]) -> list[Requirement]:
    """The requirements in core-metadata *lines*; what has other markers than an extra is left out."""
    return [
        Requirement(m[1], tuple((sign, _numbers(v)) for sign, v in _BOUND.findall(m[2])), m[3] or "")
        for m in map(_LINE.match, lines) if m]


def installed(name: str) -> str | None:
    """The version of *name* in this environment."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check(lines: Sequence[str] | None = None, version_of: Installed = installed) -> list[Finding]:
    """One finding for the base installation and one per extra."""
    requirements = read(metadata.requires("cotally") or [] if lines is None else lines)
    return [_extra(extra, [r for r in requirements if r.extra == extra], version_of)
            for extra in ("", *_ROLES) if any(r.extra == extra for r in requirements)]


def _extra(extra: str, wanted: Sequence[Requirement], version_of: Installed) -> Finding:
    check = f"packages[{extra}]" if extra else "packages"
    versions = {r.name: version_of(r.name) for r in wanted}
    wrong = [r for r in wanted if not r.fits(versions[r.name] or "")]
    present = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if not wrong:
        return ok(check, present)
    said = ", ".join(f"{r.name} is missing" if versions[r.name] is None else
                     f"{r.name} {versions[r.name]} is not {r}" for r in wrong)
    if not extra:
        return fail(check, said, "pip install --upgrade cotally")
    return warn(check, f"{said} (needed only by {_user(extra)})", f"pip install 'cotally[{extra}]'")


def _user(extra: str) -> str:
    return "charts" if extra == "plot" else f"a {extra}"


def _numbers(version: str) -> tuple[int, ...]:
    """The release part of a version: "1.2.0rc1" is (1, 2, 0); nothing is ()."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _within(version: tuple[int, ...], sign: str, bound: tuple[int, ...]) -> bool:
    if not version:
        return False
    pairs = list(zip_longest(version, bound, fillvalue=0))
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    return ours >= theirs if sign == ">=" else ours < theirs if sign == "<" else ours == theirs
