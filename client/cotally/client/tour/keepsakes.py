"""What a tour leaves behind: a release with its proof, and a picture of it."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError

from cotally.v1 import log_pb2
from cotally.v1.refusals import Refused

from ..release import Release
from ..verify.bundle import verify

RELEASE: Final = "cotally-demo.release"
PICTURE: Final = "cotally-demo.png"


@dataclass(frozen=True, slots=True)
class Forged:
    """How a saved release with one changed number was refused."""

    refusal: str
    message: str


def draw(release: Release, statistic: str, into: Path) -> Path | None:
    """Draw *statistic* into the folder *into*; None where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        return None
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure: Any = release.plot(statistic=statistic).figure
    figure.savefig(into / PICTURE, dpi=150)
    pyplot.close(figure)
    return into / PICTURE


def forge(path: Path, roster: bytes) -> Forged:
    """Raise one released total in a copy of the saved release *path*, and see it refused."""
    bundle = log_pb2.Bundle()
    try:
        bundle.ParseFromString(path.read_bytes())
    except DecodeError:
        raise AssertionError("a saved release cannot be read") from None
    bundle.release.body.totals[0] += 1
    try:
        verify(bundle, roster)
    except Refused as reason:
        return Forged(str(reason.refusal), reason.message)
    raise AssertionError("a forged release was accepted")
