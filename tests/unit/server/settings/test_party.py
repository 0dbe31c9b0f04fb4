"""A role's state folder belongs to one process."""

import os
from pathlib import Path

import pytest

from cotally.server.settings.party import _hold
from cotally.v1.refusals import Misconfigured


def test_a_second_process_on_the_same_state_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    held = _hold(tmp_path)
    with pytest.raises(Misconfigured, match="in use by another process"):
        _hold(tmp_path)
    os.close(held)
    os.close(_hold(tmp_path))
