"""Write the expected files anew: `python tests/golden/packs_record.py [rule...]`.

For whoever changes a shipped rule. What it writes is what the rule says now, so read the difference
before committing it: every line of it is something an on-call person will see.
"""

from __future__ import annotations

import sys

from packs_cases import all_cases, bench

from subscriber.service.cases import update


def main(rules: list[str]) -> int:
    """Record the cases of the named rules (of all by default); 1 when a rule has a fault."""
    faults = 0
    for case in all_cases():
        if rules and case.rule not in rules:
            continue
        result = bench().run(case)
        if not result.actual:
            print(f"{case.label}: {result.detail}", file=sys.stderr)
            faults += 1
        elif update(case, result.actual):
            print(case.label)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
