"""The one place of the coordinator that a succession changes: which federation it works under."""

from dataclasses import dataclass

from cotally.server.wire.federation import Federation


@dataclass(slots=True)
class InForce:
    """Holds the federation in force. Everybody else asks it anew; a round keeps the one it began under."""

    federation: Federation
