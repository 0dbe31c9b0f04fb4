"""What a node's own log says of a round: how long it took, with its engine and without."""

import json
from pathlib import Path


def seconds_added(log: Path, round_: str) -> float:
    """Seconds from announcement to commitment in round *round_* (hex), less those of the engine.

    Raises ValueError where the log does not tell.
    """
    took: dict[str, int] = {}
    for text in log.read_text("utf-8").splitlines():
        if round_ in text:
            line = json.loads(text)
            if line["event"] in ("measured", "ready") and line.get("round") == round_:
                took[line["event"]] = line["milliseconds"]
    if took.keys() != {"measured", "ready"}:
        raise ValueError(f"{log} does not tell how long round {round_} took")
    return (took["ready"] - took["measured"]) / 1000
