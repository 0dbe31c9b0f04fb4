"""A list of questions priced together: can I afford my study, and what will not fit? Nothing is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .budget import Filter
from .explain import Explanation
from .privacy import Account, as_number, decimal_text

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Planned:
    """One question of a study: its price, and the filters that could not pay for it after those before it."""

    text: str
    explanation: Explanation
    spent: int  # of its population, it and the fitting ones before it together
    lacking: tuple[Filter, ...]

    @property
    def fits(self) -> bool:
        """True when every filter can pay for it, after those before it."""
        return not self.lacking

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "question": self.text, "fits": self.fits, "population": self.explanation.plan.population,
            "rho": self.explanation.rho, "epsilon": self.explanation.privacy["epsilon"],
            "cumulative_rho": self.explanation.account.rho(self.spent),
            "cumulative_epsilon": as_number(self.explanation.account.epsilon(self.spent)),
            "expected_error": self.explanation.errors,
            "equal_release": self.explanation.again,
            "lacking": [f.title for f in self.lacking],
        }


@dataclass(frozen=True, slots=True)
class Study:
    """Questions in the order asked. One that does not fit is left out, and the next may fit again."""

    questions: tuple[Planned, ...]

    @classmethod
    def of(cls, quoted: Sequence[tuple[str, Explanation]]) -> "Study":
        """Return the study of (question, quote) pairs. Losses of one population add up exactly."""
        spent: dict[str, int] = {}
        planned = []
        for text, explanation in quoted:
            population, price = explanation.plan.population, explanation.due
            before = spent.get(population, 0)
            lacking = tuple(f for f in explanation.filters
                            if f.population == population and f.left is not None and f.left < before + price)
            after = before if lacking else before + price
            spent[population] = after
            planned.append(Planned(" ".join(text.split()), explanation, after, lacking))
        return cls(tuple(planned))

    @property
    def affordable(self) -> bool:
        """True when all of it fits."""
        return all(each.fits for each in self.questions)

    @property
    def prices(self) -> dict[str, str]:
        """Per population, what all questions cost together in what it counts in, whether they fit or not."""
        return {population: decimal_text(price) for population, (_, price) in self._totals().items()}

    def _totals(self) -> dict[str, tuple[Account, int]]:
        total: dict[str, tuple[Account, int]] = {}
        for each in self.questions:
            plan, account = each.explanation.plan, each.explanation.account
            _, before = total.get(plan.population, (account, 0))
            total[plan.population] = account, before + each.explanation.due
        return total

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `cotally budget --queries`."""
        return {
            "affordable": self.affordable,
            "populations": [
                {"population": population, "rho": account.rho(price), "delta": float(account.delta),
                 "epsilon": as_number(account.epsilon(price))}
                for population, (account, price) in self._totals().items()],
            "questions": [each.to_dict() for each in self.questions],
        }

    def df(self) -> "pd.DataFrame":
        """One row per question: price, running sum, whether it fits."""
        import pandas as pd
        return pd.DataFrame([each.to_dict() for each in self.questions])

    def __repr__(self) -> str:
        """Return one line per question, what will not fit, and the sum."""
        lines = []
        for number, each in enumerate(self.questions, start=1):
            text = each.text if len(each.text) <= _SHOWN else each.text[:_SHOWN] + "…"
            lines.append(
                f"{'✓' if each.fits else '✗'} {number:>3}  "
                f"{each.explanation.account.short(each.explanation.due)}  {text}"
            )
            if not each.fits:
                after = " after those before it" if each.spent else ""
                names = ", ".join(f"{f.title} ({f.account.short((f.left or 0) - each.spent)} left{after})"
                                  for f in each.lacking)
                lines.append(f"       will not fit: {names}")
            if each.explanation.again:
                lines.append(f"       {each.explanation.verdict}")
        for population, (account, price) in self._totals().items():
            fits = all(each.fits for each in self.questions if each.explanation.plan.population == population)
            lines.append(f"together {account.short(price)} of {population}; "
                         + ("all of it fits" if fits else "not all of it fits"))
        return "\n".join(lines)
