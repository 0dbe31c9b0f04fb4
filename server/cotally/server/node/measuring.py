"""Step 5 as one function: reduce the holding to integers, add our noise share, encrypt, prove."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from cotally.server.crypto import backend, plaintext_proof
from cotally.server.crypto.packing import pack
from cotally.server.crypto.paillier import Encryptor
from cotally.server.dp.measure import measure as add_noise
from cotally.server.dp.noise import Noise
from cotally.server.engines.engine import Engine, EngineError, Measures
from cotally.server.model.account import Account
from cotally.server.model.catalog import Table
from cotally.server.model.pace import Pace
from cotally.server.model.query import Mechanism, Privacy, Query, Statistic, StatisticKind, Target
from cotally.server.planner.plan import make_plan
from cotally.server.protocol.commitment import SALT_BYTES, proof_context
from cotally.server.rpc.logs import Log
from cotally.server.wire.federation import Federation, Priced
from cotally.server.wire.proofs import plaintext_message
from cotally.v1 import round_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from .rounds import Sealed

_PRIVACY: Final = {  # of the rehearsal, which spends nothing
    Account.RHO: Privacy(Target.RHO, Fraction(1), Fraction(19, 20), Mechanism.GAUSSIAN),
    Account.EPSILON: Privacy(Target.EPSILON, Fraction(1), Fraction(19, 20), Mechanism.LAPLACE),
}


class Measuring:
    """One department's measurements. The price must have been spent before `seal` is called."""

    def __init__(self, federation: Federation, engine: Measures, random_bytes: Callable[[int], bytes],
                 log: Log, noise: Noise = Noise.OPENDP) -> None:
        self._federation = federation
        self._engine = engine
        self._random_bytes = random_bytes
        self._log = log
        self._noise = noise
        self._encryptor = Encryptor(federation.key)

    def under(self, federation: Federation) -> "Measuring":
        """These measurements under a successor, whose key has tables of its own."""
        return Measuring(federation, self._engine, self._random_bytes, self._log, self._noise)

    def reach(self, table: Table) -> None:
        """Refuse, by name, where the engine is not there to measure *table*: before anything is spent.

        What it says depends on the engine and the vintage alone: UNREACHABLE where the engine does not
        answer, NOT_ALLOWED where the vintage is not the one that was announced.
        """
        try:
            self._engine.open(table)
        except EngineError:
            raise Refused(Refusal.UNREACHABLE,
                          f"the engine that holds {table.name} does not answer its node") from None
        except Misconfigured:
            raise Refused(Refusal.NOT_ALLOWED,
                          f"the vintage of {table.name} is not the announced one") from None

    def seal(self, priced: Priced, clear: round_pb2.CommitmentBody) -> Sealed:
        """The noised, encrypted vector of our holding, with a proof bound to the clear fields.

        How long the engine took, the operator reads in the node's own log, and nobody else.
        """
        begun = time.monotonic()
        exact = self._engine.measure(priced.query, priced.table, priced.plan, self._federation.catalog_digest)
        self._log.event("measured", round=clear.round, milliseconds=round(1000 * (time.monotonic() - begun)))
        return self._seal(exact, priced, clear)

    def _seal(self, exact: list[int], priced: Priced, clear: round_pb2.CommitmentBody) -> Sealed:
        public = self._federation.key
        plaintexts = pack(add_noise(exact, priced.plan, self._noise), priced.plan.packing)
        made = self._encryptor.encrypt(plaintexts)
        proof = plaintext_proof.prove(public, proof_context(clear), made.ciphertexts, plaintexts,
                                      made.randomness)
        return Sealed(self._random_bytes(SALT_BYTES), made.ciphertexts, plaintext_message(proof))

    def _slower_than_promised(self) -> str | None:
        """What to change so that large questions do not leave this node behind; None where all is well."""
        if self._federation.rules.answer_pace is not Pace.KERNEL:
            return None
        if backend.name() != "ifma":
            return ('the federation\'s answer_pace is "kernel" and this machine does without the compiled '
                    "kernel: it may miss large rounds, and pay for them")
        if self._noise is not Noise.EXACT:
            return ('the federation\'s answer_pace is "kernel"; set noise = "exact" in node.toml, or large '
                    "rounds may be missed, and paid for")
        return None

    def rehearse(self, engine_in: Callable[[Path], Engine[Path]]) -> None:
        """Walk the whole way once over an empty table, so that the first round finds everything loaded.

        No record is read: the engine gets a folder of its own, with a file that holds a header only.
        Tells the operator where this node may be slower than the federation's pace says it is.
        """
        if (slower := self._slower_than_promised()) is not None:
            self._log.warning("slower_than_promised", message=slower)
        for table in self._federation.catalog.tables[:1]:
            query = Query(table.name, (), (Statistic("n", StatisticKind.COUNT_ROWS),), None,
                          _PRIVACY[table.account])
            plan = make_plan(query, table, self._federation.rules)
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder) / "empty.csv"
                unit = [table.unit] if table.unit else []
                names = dict.fromkeys([*unit, *(c.name for c in table.columns)])
                source.write_text(",".join(f'"{name}"' for name in names) + "\n")
                engine = engine_in(Path(folder))
                engine.snapshot(replace(table, vintage="rehearsal"), source)
                exact = engine.measure(query, replace(table, vintage="rehearsal"), plan, bytes(32))
            self._seal(exact, Priced(query, table, plan, round_pb2.Plan()), round_pb2.CommitmentBody())
