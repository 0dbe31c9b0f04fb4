"""Keeps the prices that were computed last: as many as fit in a bounded memory, for asking is free."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

PRICES: Final = 64  # kept by one party
ROOM: Final = 2_000_000  # for sizes of all that is kept together, unless one by itself is larger

P = TypeVar("P")


class Prices(Generic[P]):
    """What *compute* makes of a question's bytes; the last ones are kept. Safe among threads.

    *size* tells by what a price outweighs its question's bytes, in about a hundred bytes of memory each.
    """

    def __init__(self, compute: Callable[[bytes], P], size: Callable[[P], int]) -> None:
        self._compute = compute
        self._size = size
        self._kept: OrderedDict[bytes, P] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, question: bytes) -> P:
        """The price of *question*; what *compute* refuses is not kept."""
        with self._lock:
            found = self._kept.get(question)
            if found is not None:
                self._kept.move_to_end(question)
                return found
        made = self._compute(question)
        with self._lock:
            self._kept[question] = made
            while len(self._kept) > 1 and (len(self._kept) > PRICES or self._taken() > ROOM):
                self._kept.popitem(last=False)
        return made

    def _taken(self) -> int:
        return sum(len(question) + self._size(price) for question, price in self._kept.items())
