"""Differential fuzzing: the same random templates through Go and through us.

    python tests/golden/go/fuzz.py --count 100000 --seed 1

Prints each difference and how many there were; exits 1 when there was one.
"""

from __future__ import annotations

import argparse
import re
from itertools import islice

from grammar import Grammar
from oracle import Answer, compared, version

from subscriber.template.functions import FUNCTIONS

BATCH = 1000
EXPLAINED = (
    # Go's slice takes no index straight from the data; see docs/templates.md.
    "cannot index slice/array with type interface {}",
)


def explained(theirs: Answer) -> bool:
    """Whether we differ from this answer of Go on purpose: a quirk, or a function we add."""
    unknown = re.search(r'function "(\w+)" not defined', theirs.error)
    if unknown and unknown[1] in FUNCTIONS:
        return True
    return any(text in theirs.error for text in EXPLAINED)


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=2000, help="how many templates")
    parser.add_argument("--seed", type=int, default=1, help="start of the random sequence")
    parser.add_argument("--show", type=int, default=20, help="how many differences to print")
    options = parser.parse_args()
    cases = Grammar(options.seed).cases()
    found = done = rendered = 0
    while done < options.count:
        batch = list(islice(cases, min(BATCH, options.count - done)))
        answers = compared(batch)
        rendered += sum(theirs.text is not None for _, theirs, _ in answers)
        for case, theirs, mine in answers:
            if mine.agrees(theirs) or explained(theirs):
                continue
            found += 1
            if found <= options.show:
                print(f"template {case.template!r}\n  data {case.data}  missing={case.missing}")
                print(f"  go   {theirs.text!r} {theirs.error}\n  ours {mine.text!r} {mine.error}")
        done += len(batch)
    print(
        f"{done} templates ({rendered} rendered by Go), {found} differences, "
        f"{version()}, seed {options.seed}"
    )
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
