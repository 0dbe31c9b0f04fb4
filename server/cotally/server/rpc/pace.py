"""An even pace with some slack: when may the next of a series begin? Pure: the time is an argument."""


class Pace:
    """At most *burst* at once, and *per_second* in the long run (the GCRA of ITU-T I.371).

    >>> pace = Pace(per_second=2, burst=1)
    >>> [pace.wait(now) for now in (10.0, 10.0, 10.0, 20.0)]
    [0.0, 0.5, 1.0, 0.0]
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._step = 1 / per_second
        self._slack = burst * self._step
        self._even = float("-inf")  # when those that began so far would be through at an even pace

    def wait(self, now: float) -> float:
        """Book the next turn; the seconds until it comes."""
        self._even = max(self._even, now - self._slack) + self._step
        return max(0.0, self._even - now)

    def debt(self, now: float) -> float:
        """Seconds that the turns booked so far last from *now*."""
        return max(0.0, self._even - now)

    def admits(self, now: float) -> bool:
        """Book a turn if there is one now; whoever gets none does not wait."""
        if max(self._even, now - self._slack) + self._step > now:
            return False
        self.wait(now)
        return True
