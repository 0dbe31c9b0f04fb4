"""A role's process from start to signal: graceful stop, exit codes, no traceback."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any, Final

from cotally.v1.refusals import EXIT_CODE, Misconfigured, Refused

from .logs import Log

INTERRUPTED: Final = 130
MISCONFIGURED: Final = 3
INTERNAL: Final = 1


def run(main: Coroutine[Any, Any, None], log: Log) -> int:
    """Run *main* until it ends or a signal comes; return the process's exit code.

    SIGTERM: 0. SIGINT: 130. A second signal leaves at once. Misconfigured: 3. Refused: its own code.
    Anything else: 1, logged as type and places. *main* is cancelled and may clean up in `finally`.
    """
    _silence_libraries(log)
    try:
        return asyncio.run(_until_signal(main, log))
    except Misconfigured as error:
        log.error("stopped", message=error.message)
        return MISCONFIGURED
    except Refused as error:
        log.error("stopped", refusal=error.refusal, message=error.message)
        return EXIT_CODE[error.refusal]
    except Exception as error:
        log.exception("internal_error", error)
        return INTERNAL


async def _until_signal(main: Coroutine[Any, Any, None], log: Log) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _stray(log, context))
    task = asyncio.ensure_future(main)
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if received:
            os._exit(INTERRUPTED if number is signal.SIGINT else INTERNAL)
        received.append(number)
        log.event("stopping")
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    log.event("stopped")
    return INTERRUPTED if received == [signal.SIGINT] else 0


def _stray(log: Log, context: dict[str, Any]) -> None:
    """asyncio would print the text of an exception that nobody awaited."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        log.exception("stray_error", error)
    else:
        log.error("stray_error")


class _NameOnly(logging.Handler):
    """Keeps libraries' log texts, which may quote values, off standard error."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Say which library complained and where, not what it said."""
        self._log.warning("library", where=[f"{record.name}:{record.lineno}:{record.funcName}"])


def _silence_libraries(log: Log) -> None:
    root = logging.getLogger()
    root.handlers[:] = [_NameOnly(log)]
