"""Write the expected files anew: `python tests/golden/packs_record.py [rule...]`.

For whoever changes a shipped rule. What it writes is what the rule says now, so read the difference
before committing it: every line of it is something an on-call person will see.
"""

from __future__ import annotations

import json
import sys

from packs_cases import all_cases, answer


def main(rules: list[str]) -> int:
    """Record the cases of the named rules (of all by default); 1 when a rule has a fault."""
    faults = 0
    for case in all_cases():
        if rules and case.rule not in rules:
            continue
        said = answer(case)
        if "problem" in said:
            print(f"{case.label}: {said['detail']}", file=sys.stderr)
            faults += 1
            continue
        text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
        if not case.expected_file.exists() or case.expected_file.read_text("utf-8") != text:
            case.expected_file.write_text(text, "utf-8")
            print(case.label)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
