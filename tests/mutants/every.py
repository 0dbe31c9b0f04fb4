"""All mutants, in the order in which `docs/mutants.md` lists them."""

from typing import Final

from tests.mutants.bounding import BOUNDING
from tests.mutants.client_side import CLIENT
from tests.mutants.insiders import INSIDERS
from tests.mutants.keyholders import KEY_HOLDERS
from tests.mutants.ledgers import LEDGERS
from tests.mutants.mutant import Mutant
from tests.mutants.noise import NOISE
from tests.mutants.oracles import ORACLES
from tests.mutants.outsiders import OUTSIDERS
from tests.mutants.permits import PERMITS
from tests.mutants.pure import PURE
from tests.mutants.rounds import ROUNDS
from tests.mutants.signatures import SIGNATURES

CHAPTERS: Final[dict[str, tuple[Mutant, ...]]] = {
    "Noise and its price": NOISE,
    "Pure populations": PURE,
    "Bounding and sensitivity": BOUNDING,
    "Ledgers": LEDGERS,
    "Filters, grants, refunds, replays": PERMITS,
    "Signatures": SIGNATURES,
    "Rounds": ROUNDS,
    "Key holders and the log": KEY_HOLDERS,
    "Earlier federations, and hashes known too early": INSIDERS,
    "Time and errors": ORACLES,
    "The door, and files that lie": OUTSIDERS,
    "What the client checks": CLIENT,
}
EVERY: Final[tuple[Mutant, ...]] = tuple(mutant for chapter in CHAPTERS.values() for mutant in chapter)
