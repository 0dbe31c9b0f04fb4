"""Fills a folder with the demo's federation, or recognises the one that is there.

    demo.json     which country this is: people and seed
    demo.toml     the spec
    data/         one folder per department
    script.json   the tour's questions and their true answers; written last, so that it seals the rest
    federation/   the sandbox's own folder
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cotally.v1.refusals import Misconfigured

from .federation import spec_text
from .holdings import Holdings, divide, write
from .population import invent
from .questions import FORBIDDEN, QUESTIONS

_MARK: Final = "demo.json"


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Where the parts of one demo lie."""

    root: Path

    @property
    def spec(self) -> Path:
        """The federation's SPEC.toml."""
        return self.root / "demo.toml"

    @property
    def script(self) -> Path:
        """What the tour shows, truths included. No role of the federation reads it."""
        return self.root / "script.json"

    @property
    def federation(self) -> Path:
        """What the sandbox keeps."""
        return self.root / "federation"

    def fill(self, people: int, seed: int, say: Callable[[str], None]) -> None:
        """Leave the country of *people* and *seed* here; what is there already is used again.

        Raises Misconfigured where the folder holds another country, or something else.
        """
        wanted = {"people": people, "seed": seed}
        self._claim(wanted)
        if self.script.is_file():
            say(f"found the country of seed {seed} in {self.root}")
            return
        say(f"inventing {people:,} people (seed {seed})")
        held = divide(invent(people, seed))
        write(held, self.root)
        self.spec.write_text(spec_text(people, self.spec.name), "utf-8")
        sealed = self.root / ".script.json"
        sealed.write_text(json.dumps(script(held) | wanted, indent=1) + "\n", "utf-8")
        sealed.rename(self.script)

    def _claim(self, wanted: dict[str, int]) -> None:
        mark = self.root / _MARK
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if mark.is_file():
                held = json.loads(mark.read_text("utf-8"))
                if held != wanted:
                    raise Misconfigured(
                        f"{self.root} holds the demo of {held.get('people')} people and seed "
                        f"{held.get('seed')}; ask for those, or name another --keep")
                return
            if any(self.root.iterdir()):
                raise Misconfigured(f"{self.root} is not empty and holds no demo; name another --keep")
            mark.write_text(json.dumps(wanted) + "\n", "utf-8")
        except (OSError, ValueError, AttributeError) as reason:
            raise Misconfigured(f"{self.root} cannot hold the demo: {reason}") from None


def script(held: Holdings) -> dict[str, object]:
    """What the tour reads: see `cotally.client.tour.script` for the form."""
    return {
        "questions": [{"title": q.title, "note": q.note, "sql": q.sql, "truth": q.truth(held)}
                      for q in QUESTIONS],
        "forbidden": [{"title": f.title, "sql": f.sql, "refusal": f.refusal} for f in FORBIDDEN]}
