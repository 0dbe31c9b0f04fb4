"""`cotally version`."""

import argparse
import platform
from importlib import metadata

from .output import JSON, add_output, print_json, print_lines


class VersionCommand:
    """`cotally version`."""

    name = "version"
    help = "print the versions of program and protocol"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Only how to print."""
        add_output(parser)
        parser.epilog = "Example\n  cotally version -o json"

    def run(self, args: argparse.Namespace) -> int:
        """Print them."""
        from ..connection import VERSION
        versions = {"cotally": metadata.version("cotally"), "protocol": VERSION,
                    "python": platform.python_version(), "platform": platform.platform(terse=True)}
        if args.output == JSON:
            print_json(versions)
        else:
            print_lines([f"cotally {versions['cotally']}, protocol {VERSION}, Python {versions['python']} "
                         f"on {versions['platform']}"])
        return 0


command = VersionCommand()
