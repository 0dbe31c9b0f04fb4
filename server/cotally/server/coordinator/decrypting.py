"""Step 9 at the coordinator: ask t key holders, and others when one is slow, refuses or fails."""

import asyncio
from collections.abc import Callable

from cotally.v1 import roster_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused

from .board import Board
from .session import Round

PATIENCE_S = 10.0  # before others are asked too
PATIENCE_PER_CIPHERTEXT_S = 0.05  # and this much more: a partial decryption without the kernel on one core


class Decrypting:
    """Chooses whom to ask; the first choice moves on by one from round to round."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._turn = 0

    async def collect(
        self, evidence: work_pb2.Evidence, round_: Round, refusing: dict[str, Refused],
        bell: asyncio.Event, remaining: Callable[[], float],
    ) -> None:
        """Return once t partial decryptions verify; refuse when that became impossible, or too late."""
        threshold = round_.federation.policy.threshold
        holders = len(round_.federation.members(roster_pb2.ROLE_KEY_HOLDER))
        tries: dict[str, int] = {}
        awaited: set[str] = set()
        patience = PATIENCE_S + PATIENCE_PER_CIPHERTEXT_S * round_.priced.plan.packing.ciphertexts
        self._turn += 1
        while not round_.decrypted:
            bell.clear()
            if holders - len(refusing) < threshold:
                raise _nobody_left(refusing)
            left = remaining()
            if left <= 0:
                raise Refused(Refusal.TOO_FEW_KEY_HOLDERS,
                              f"{len(round_.partials)} of {threshold} key holders answered in time")
            awaited -= set(round_.partials) | set(refusing)
            awaited &= set(self._board.connected(roster_pb2.ROLE_KEY_HOLDER))  # the others asked in vain
            free = [n for n in self._in_turn(tries)
                    if n not in awaited and n not in refusing and n not in round_.partials]
            for name in free[:threshold - len(round_.partials) - len(awaited)]:
                line = self._board.line(name)
                if line is not None:
                    line.post(work_pb2.KeyHolderWork(evidence=evidence))
                    tries[name] = tries.get(name, 0) + 1
                    awaited.add(name)
            try:
                async with asyncio.timeout(min(left, patience)):  # wait_for may swallow a cancellation
                    await bell.wait()
            except TimeoutError:
                awaited.clear()  # whoever was slow is asked again, behind the others

    def _in_turn(self, tries: dict[str, int]) -> list[str]:
        here = self._board.connected(roster_pb2.ROLE_KEY_HOLDER)
        turn = self._turn % len(here) if here else 0
        return sorted(here[turn:] + here[:turn], key=lambda name: tries.get(name, 0))


def _nobody_left(refusing: dict[str, Refused]) -> Refused:
    reasons = "; ".join(f"{name}: {why.message}" for name, why in sorted(refusing.items()))
    codes = {why.refusal for why in refusing.values()}
    refusal = codes.pop() if len(codes) == 1 else Refusal.TOO_FEW_KEY_HOLDERS
    return Refused(refusal, f"the key holders do not decrypt this round ({reasons})")
