"""The examples of docs/sql.md are questions."""

import re
from pathlib import Path

from tests.fixtures.asking import ask

PAGE = Path(__file__).parents[4] / "docs" / "sql.md"


def test_every_example_is_accepted() -> None:
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    questions = [
        q
        for block in blocks
        for q in re.findall(
            r"(?:EXPLAIN PRIVACY )?SELECT.*?WITH PRIVACY \((?:[^()]|\([^)]*\))*\)", block, re.DOTALL
        )
    ]
    assert len(questions) == 5
    for question in questions:
        ask(question)
