"""`python -m tests.mutants [NAME...]`: plants privacy bugs one at a time and expects a test to fail for each.

Exits 0 only if every mutant was killed. First, the same tests have to pass over the tree as it is.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from tests.mutants.every import EVERY
from tests.mutants.mutant import Mutant, named
from tests.mutants.tree import Outcome, Tree, Verdict

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
BASELINE_S = 900


def outcomes(mutants: Sequence[Mutant], trees: Sequence[Tree]) -> Iterator[Outcome]:
    """What becomes of each mutant, as soon as it is known; as many at once as there are trees."""
    idle: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        idle.put(tree)

    def judge(mutant: Mutant) -> Outcome:
        tree = idle.get()
        try:
            return tree.try_out(mutant)
        finally:
            idle.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        for done in as_completed([pool.submit(judge, mutant) for mutant in mutants]):
            yield done.result()


def tests_of(mutants: Sequence[Mutant]) -> list[str]:
    """Every test that is expected to kill one, each once."""
    return list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))


def main() -> int:
    """Plant, test, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to try (default: all)")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    parser.add_argument("-j", "--jobs", type=int, default=AT_ONCE, help=f"at once (default: {AT_ONCE})")
    parser.add_argument("--no-baseline", action="store_true", help="do not run the tests unmutated first")
    args = parser.parse_args()
    try:
        mutants = named(EVERY, args.names)
    except KeyError as unknown:
        parser.error(f"there is no mutant {unknown.args[0]}")
    began = time.monotonic()
    with TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Tree(ROOT, Path(folder) / str(job)) for job in range(max(1, min(args.jobs, len(mutants))))]
        if not args.no_baseline and (failed := trees[0].passes(tests_of(mutants), BASELINE_S)):
            print(f"the tests fail before anything is planted: {failed}", file=sys.stderr)
            return 2
        found = Counter[Verdict]()
        for outcome in outcomes(mutants, trees):
            found[outcome.verdict] += 1
            line = json.dumps(asdict(outcome)) if args.output == "json" else (
                f"{outcome.verdict:8}  {outcome.seconds:5.1f} s  {outcome.mutant:36}  {outcome.by}")
            print(line, flush=True)
    summary = ", ".join(f"{count} {verdict}" for verdict, count in found.items())
    print(f"{len(mutants)} mutants in {time.monotonic() - began:.0f} s: {summary}", file=sys.stderr)
    return 0 if set(found) == {Verdict.KILLED} else 1


if __name__ == "__main__":
    sys.exit(main())
