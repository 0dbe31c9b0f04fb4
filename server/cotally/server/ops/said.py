"""What a command prints: one JSON object for scripts, or sentences for people."""

import argparse
import json
from collections.abc import Sequence
from typing import Any


def add_output(parser: argparse.ArgumentParser) -> None:
    """Declare -o."""
    parser.add_argument("-o", choices=["text", "json"], default="text", dest="output", help="output format")


def say(output: str, data: dict[str, Any], lines: Sequence[str]) -> None:
    """Print *data* under `-o json`, else *lines*."""
    print(json.dumps(data, ensure_ascii=False) if output == "json" else "\n".join(lines))
