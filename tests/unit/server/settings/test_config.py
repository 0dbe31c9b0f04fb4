"""Configuration files: paths beside the file, unknown keys refused, every sentence names file and key."""

from fractions import Fraction
from pathlib import Path

import pytest

from cotally.server.dp.noise import Noise
from cotally.server.engines.source import File
from cotally.server.settings import config
from cotally.v1.refusals import Misconfigured

COMMON = """
name = "tax"
roster = "{roster}"
charter = "charter.bin"
ca = "ca.pem"
certificate = "tax.pem"
key = "tax.key"
signing_key = "tax-signing.key"
state = "state"
""".format(roster="ab" * 32)
NODE = COMMON + """
coordinator = "127.0.0.1:7443"
grants = "grants"
[data]
people = "people.csv"
[budget]
residents = { epsilon = 0.1 }
visits = { rho = 2 }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text)
    return path


def test_a_node_reads_paths_beside_its_file_and_exact_budgets(tmp_path: Path) -> None:
    read = config.node(written(tmp_path, NODE))
    assert read.data == {"people": File(tmp_path / "people.csv")}
    assert read.common.state == tmp_path / "state"
    assert read.budgets == {"residents": Fraction(1, 10)}
    assert read.budgets_rho == {"visits": Fraction(2)}
    assert read.accept_min_departments == 1
    assert read.noise is Noise.OPENDP


def test_a_node_may_draw_noise_itself(tmp_path: Path) -> None:
    for name, noise in (("exact", Noise.EXACT), ("opendp", Noise.OPENDP)):
        assert config.node(written(tmp_path, f'noise = "{name}"' + NODE)).noise is noise


@pytest.mark.parametrize("change, words", [
    (("people.csv\"", "people.csv\"\nx = 3"), r"data\.x must be the path"),
    (("epsilon = 0.1", "epsilon = -1"), r"budget\.residents must be"),
    (("epsilon = 0.1", "epsilon = nan"), r"budget\.residents must be"),
    (("epsilon = 0.1", "epsilon = true"), r"budget\.residents must be"),
    (("epsilon = 0.1", "delta = 0.1"), r"budget\.residents must be"),
    (("grants = \"grants\"", "grants = \"grants\"\ntypo = 1"), "unknown key 'typo'"),
    (("grants = \"grants\"", "grants = \"grants\"\naccept_min_departments = 0"), "accept_min_departments"),
    (("grants = \"grants\"", "grants = \"grants\"\nnoise = \"fast\""),
     "noise must be \"opendp\" or \"exact\", not 'fast'"),
    (("grants = \"grants\"", "grants = \"grants\"\nnoise = true"), "noise must be"),
    (("grants = \"grants\"", "grants = \"grants\"\nnoise = [\"exact\"]"), "noise must be"),
    (("name = \"tax\"", ""), "name must be a text"),
    (("state = \"state\"", "state = 3"), "state must be a text"),
    (("abab", "zz"), "roster must be the fingerprint"),
    (("[data]", "[data"), "is not TOML"),
])
def test_wrong_keys_and_values_are_named(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    with pytest.raises(Misconfigured, match=words) as wrong:
        config.node(written(tmp_path, NODE.replace(*change, 1)))
    assert "node.toml" in wrong.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"nowhere\.toml: there is no such configuration file"):
        config.keyholder(tmp_path / "nowhere.toml")


def test_a_key_holder_may_be_asked_for_its_passphrase(tmp_path: Path) -> None:
    text = COMMON + 'coordinator = "127.0.0.1:7443"\nshare = "k.share"\n'
    assert config.keyholder(written(tmp_path, text)).passphrase_file is None
    text += 'passphrase_file = "secret"\n'
    assert config.keyholder(written(tmp_path, text)).passphrase_file == tmp_path / "secret"


def test_a_coordinator_says_where_it_listens(tmp_path: Path) -> None:
    assert config.coordinator(written(tmp_path, COMMON + 'listen = "127.0.0.1:0"\n')).listen == "127.0.0.1:0"
