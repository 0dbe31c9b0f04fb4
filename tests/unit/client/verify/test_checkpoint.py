"""A checkpoint's one form, and the quorum that makes it count."""

import pytest

from cotally.client.verify.checkpoint import parse, quorum
from cotally.v1.refusals import Refused


@pytest.mark.parametrize("witnesses", range(1, 15))
def test_two_quorums_share_an_honest_witness(witnesses: int) -> None:
    for hostile in range(witnesses):
        needed = quorum(witnesses, hostile)
        assert 2 * needed - witnesses > hostile  # shared members outnumber hostile ones
        assert 2 * (needed - 1) - witnesses <= hostile  # and one fewer would not do


@pytest.mark.parametrize("text", [
    "", "cotally/test\n3\n", "cotally/test\n03\n" + "A" * 43 + "=\n", "cotally/test\n3\n!\n",
    "cotally/test\n-1\n" + "A" * 43 + "=\n", "cotally/test\n3\n" + "A" * 43 + "=\n\n",
    "cotally/test\n3\n" + "A" * 40 + "\n", "cotally/other\n3\n" + "A" * 43 + "=\n",
])
def test_a_checkpoint_has_one_form(text: str) -> None:
    assert parse("cotally/test\n3\n" + "A" * 43 + "=\n", "test").size == 3
    with pytest.raises(Refused):
        parse(text, "test")
