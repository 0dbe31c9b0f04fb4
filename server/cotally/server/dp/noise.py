"""Who draws a node's noise."""

from enum import StrEnum


class Noise(StrEnum):
    """Two samplers of the same distributions; a node's operator chooses one in `node.toml`."""

    OPENDP = "opendp"
    EXACT = "exact"
