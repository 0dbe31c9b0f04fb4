"""Returns the thresholds that a spec sets for calling noisy values unreliable."""

from cotally.server.model.catalog import Quality

from .reader import Section


def read_quality(s: Section) -> Quality | None:
    """The thresholds under `quality = { unreliable = 0.1, suppressed = 0.3 }`, or None without the key.

    They are noisy relative errors: half-width over absolute value.
    """
    if not s.has("quality"):
        return None
    inner = s.section("quality")
    unreliable, suppressed = inner.number("unreliable"), inner.number("suppressed")
    if unreliable <= 0:
        inner.refuse("unreliable", "must be above 0")
    if suppressed < unreliable:
        inner.refuse("suppressed", f"must be at least unreliable ({float(unreliable):g})")
    inner.done()
    return Quality(unreliable, suppressed)
