"""Writes the folder that a member of the federation receives: config, charter, and a page to read.

Paths in a config are relative to it, so that a folder can be carried to the member's own machine.
Folders have mode 0700; what is secret in them is written by whoever makes the secret.
"""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from .charter import decimal_text

CHARTER = "charter.bin"
CA = "ca.pem"
CONFIG = {"coordinator": "coordinator.toml", "node": "node.toml", "keyholder": "keyholder.toml",
          "analyst": "profile.toml"}

Value = str | Fraction | Sequence[str] | Mapping[str, str | Mapping[str, Fraction]]

_README = {
    "coordinator": """\
This folder runs the coordinator of {federation}. It must be reachable by every other member.

    cotally coordinator run coordinator.toml
""",
    "node": """\
This folder runs the department {name} in {federation}. The node dials the coordinator; open no port.
Put the data files where [data] in node.toml says, or change the paths there. Then:

    cotally node run node.toml

What an analyst may ask is in grants/. To allow more:

    cotally node grant node.toml --analyst NAME --purpose PURPOSE
""",
    "keyholder": """\
This folder runs {name}, a key holder of {federation}. {name}.share is one share of the key; it opens
with the passphrase that was set at the ceremony, which is asked for at every start:

    cotally keyholder run keyholder.toml

To start unattended, write it into a file of mode 0600 and name that in keyholder.toml as passphrase_file.
""",
    "analyst": """\
This folder lets {name} ask {federation}. Point COTALLY_PROFILE at profile.toml:

    export COTALLY_PROFILE=$PWD/profile.toml
    cotally ls
""",
}
_JOINED = """
Whoever made {name}.key and {name}-signing.key with `cotally federation join` keeps them: copy the
files of this folder beside them.
"""


def make_folder(path: Path) -> Path:
    """*path*, made with mode 0700, and so every missing folder above it."""
    if not path.parent.exists():
        make_folder(path.parent)
    path.mkdir(mode=0o700)
    return path


def render(values: Mapping[str, Value]) -> str:
    """TOML of *values*: texts, lists of texts, and tables of texts or budgets."""
    plain = [f"{_key(k)} = {_inline(v)}" for k, v in values.items() if not isinstance(v, Mapping)]
    tables = [f"\n[{_key(k)}]\n" + "\n".join(f"{_key(n)} = {_inline(e)}" for n, e in v.items())
              for k, v in values.items() if isinstance(v, Mapping)]
    return "\n".join([*plain, *tables]) + "\n"


def base_config(name: str, roster: bytes) -> dict[str, Value]:
    """The keys that every role's config shares."""
    return {"name": name, "roster": roster.hex(), "charter": CHARTER, "ca": CA, "certificate": f"{name}.pem",
            "key": f"{name}.key", "signing_key": f"{name}-signing.key", "state": "state"}


def write_folder(folder: Path, role: str, name: str, federation: str, config: Mapping[str, Value]) -> Path:
    """Write config and README.txt into *folder*; return the config's path."""
    path = folder / CONFIG[role]
    path.write_text(render(config), "utf-8")
    page = _README[role].format(name=name, federation=federation)
    if not (folder / f"{name}-signing.key").exists():
        page += _JOINED.format(name=name)
    (folder / "README.txt").write_text(page, "utf-8")
    return path


def set_value(config: Path, key: str, value: str) -> None:
    """Replace the top-level text *key* of a config that `render` wrote."""
    lines = config.read_text("utf-8").split("\n")
    lines = [f"{key} = {_inline(value)}" if line.startswith(f"{key} = ") else line for line in lines]
    config.write_text("\n".join(lines), "utf-8")


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "a").replace("-", "a").isalnum()
    return key if bare else _text(key)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _inline(value: object) -> str:
    match value:
        case str():
            return _text(value)
        case Fraction():
            text = decimal_text(value)
            return text if "." in text else f"{text}.0"
        case Mapping():
            return "{ " + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items()) + " }"
        case Sequence():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case _:
            raise TypeError(f"no TOML for {type(value).__name__}")
