"""What nodes and key holders share: one stub to the coordinator, work handled one by one or beside.

A handler that refuses tells the coordinator so; anything unexpected is logged without values and
refused as INTERNAL. An answer that cannot be delivered is dropped: the coordinator posts open work
again when the line is back.
"""

import asyncio
from collections.abc import Awaitable, Callable

import grpc.aio

from cotally.v1 import work_pb2
from cotally.v1.refusals import Refusal, Refused

from .logs import Log
from .refusals import from_error, to_detail

Decline = Callable[[work_pb2.DeclineRequest], Awaitable[object]]
_TRIES = 3


class Desk:
    """Runs handlers of posted work as tasks, each under its round."""

    def __init__(self, decline: Decline, ledgers: Callable[[], list[work_pb2.LedgerStatus]],
                 address: str, log: Log) -> None:
        self._decline = decline
        self._ledgers = ledgers
        self._address = address
        self._log = log
        self._tasks: dict[bytes, asyncio.Task[None]] = {}

    def start(self, round_: bytes, handler: Callable[[], Awaitable[None]]) -> None:
        """Run *handler* beside others, unless the same round is being handled already."""
        if round_ not in self._tasks:
            task = self._tasks[round_] = asyncio.create_task(self._run(round_, handler))
            task.add_done_callback(lambda _: self._tasks.pop(round_, None))

    async def _run(self, round_: bytes, handler: Callable[[], Awaitable[None]]) -> None:
        try:
            await handler()
            return
        except Refused as refused:
            answer = refused
        except grpc.RpcError as error:
            lost = from_error(error, self._address)
            self._log.warning("not_delivered", round=round_, refusal=lost.refusal, message=lost.message)
            return
        except Exception as error:
            self._log.exception("round_failed", error, round=round_)
            answer = Refused(Refusal.INTERNAL, "an internal error; its own log tells where")
        self._log.warning("declined", round=round_, refusal=answer.refusal, message=answer.message)
        try:
            await deliver(lambda: self._decline(work_pb2.DeclineRequest(
                round=round_, refusal=to_detail(answer), ledgers=self._ledgers())))
        except (Refused, grpc.RpcError):
            self._log.warning("not_delivered", round=round_)


async def deliver(call: Callable[[], Awaitable[object]]) -> None:
    """Make *call*, again where the line broke; three tries within about a second."""
    for again in range(_TRIES):
        try:
            await call()
            return
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or again == _TRIES - 1:
                raise
        await asyncio.sleep(0.2 * 2**again)
