"""Compare the functions with the real sprig on random arguments, by hand.

    python tests/golden/sprig/fuzz.py [count [seed [group...]]]

A group is one of the functions below (dates, parsing, durations, numbers, strings, patterns, urls,
parts, values, json). Prints what differs without being meant to, and exits with 1 then. Needs `go`
and a Go module proxy, like record.py.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from functools import cache

from record import record

from subscriber.template import Template, TemplateError
from subscriber.template import compile as compile_template
from subscriber.template.functions.moments import Moment, fixed_zone

Case = dict[str, object]
Made = tuple[str, object]


def words(text: str) -> list[str]:
    return text.split()


LETTERS = "abcABC  \t\néß日😀-_,.:/\"'\\<>&0129\u00a0\u2028\x7f"
NUMERIC = "0123456789.eE_xXobB+-abfFnN"
URL = "ab.:/?#@%25[]1- é&=+<>\"~!$'()*,;|^{}`\\_AF"
CLOCK = "0123456789 :-+.,TZAPMapm"
PIECES = [
    *words(
        "January Jan Monday Mon MST 01 02 03 04 05 06 002 15 1 2006 2 _2 __2 3 4 5 PM pm -070000 "
        "-07:00:00 -0700 -07:00 -07 Z070000 Z07:00:00 Z0700 Z07:00 Z07 .000 ,999 .0 .999999999 "
        "- / : . T x é _ 0 9 7 Janu Mo Z",
    ),
    " ",
    ", ",
]
ZONES = words(
    "UTC Europe/Vienna America/New_York Asia/Kolkata Australia/Lord_Howe America/Sao_Paulo "
    "Pacific/Apia Africa/Casablanca Europe/Dublin Asia/Tehran",
)
ATOMS = [
    "a", "b", "c", "x", ".", r"\w", r"\d", r"\s", "[ab]", "[^a]", "é", r"\b", "^", "$", "ab",
    r"\pL", "[[:alpha:]]", "(?i:A)",
]  # fmt: skip
SHOWN = "2006-01-02T15:04:05.999999999Z07:00"


class Maker:
    """Makes templates and data, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def word(self, letters: str, most: int) -> str:
        return "".join(self.random.choice(letters) for _ in range(self.random.randint(0, most)))

    def bent(self, text: str, letters: str) -> str:
        """The text, often with a character changed, gone or added."""
        done = list(text)
        for _ in range(self.random.choice([0, 0, 0, 1, 1, 2])):
            at = self.random.randint(0, len(done))
            done[at : at + self.random.randint(0, 1)] = self.word(letters, 1)
        return "".join(done)

    def layout(self) -> str:
        return "".join(self.random.choices(PIECES, k=self.random.randint(1, 9)))

    def number(self) -> object:
        pick = self.random
        return pick.choice([
            pick.randint(-100, 100), pick.randint(-(2**63), 2**63 - 1), pick.uniform(-1000, 1000),
            pick.uniform(-1, 1) * 10 ** pick.randint(-20, 20), round(pick.uniform(-100, 100), 2),
            self.word(NUMERIC, 8), str(pick.randint(-999, 999)), str(round(pick.uniform(-9, 9), 2)),
        ])  # fmt: skip

    def pattern(self, depth: int = 0) -> str:
        kind = self.random.random()
        if depth > 3 or kind < 0.35:
            return self.random.choice(ATOMS)
        inner = self.pattern(depth + 1)
        if kind < 0.5:
            return inner + self.pattern(depth + 1)
        if kind < 0.83:
            return self.random.choice(["({})", "(?:{})", "(?P<n>{})", "a|{}", "{}|b"]).format(inner)
        return inner + self.random.choice(words("* + ? *? +? ?? {2} {1,2} {0,3}? {,2}"))

    def value(self, depth: int = 0) -> object:
        kind = self.random.random()
        if depth > 3 or kind < 0.5:
            plain = [None, True, False, 0, 1, 2.5, 1e21, 1e-7, 123456789.0, "a", "<é>", ""]
            return self.random.choice([*plain, self.word(LETTERS, 5), self.number()])
        size = self.random.randint(0, 3)
        if kind < 0.75:
            return [self.value(depth + 1) for _ in range(size)]
        return {self.word("abé<😀", 2): self.value(depth + 1) for _ in range(size)}

    # -- groups ------------------------------------------------------------------------------

    def dates(self) -> Made:
        bounds = self.random.choice([(0, 2**31), (-(2**31), 2**33), (-62135596800, 253402300799)])
        data = {"l": self.layout(), "x": self.random.randint(*bounds)}
        return "{{dateInZone .l .x .z}}", data | {"z": self.random.choice(ZONES)}

    def parsing(self) -> Made:
        layout, offset = self.layout(), self.random.randint(-28, 28) * 1800
        nanos = self.random.choice([0, self.random.randint(0, 999_999_999)])
        moment = Moment(seconds=self.random.randint(0, 2**32), nanos=nanos, zone=fixed_zone(offset))
        data = {"l": layout, "x": self.bent(moment.format(layout), CLOCK)}
        return f'{{{{mustToDate .l .x | date "{SHOWN}"}}}}', data

    def durations(self) -> Made:
        parts = [self.random.choice(["", "-", "+"])]
        for _ in range(self.random.randint(1, 3)):
            digits = f"{self.random.random() * 100:.{self.random.randint(0, 19)}f}"
            parts += [self.random.choice([digits, self.word("0123456789.", 22)])]
            parts += [self.random.choice(["h", "m", "s", "ms", "us", "µs", "ns", "x", ""])]
        start = 'toDate "2006-01-02" "2024-05-06" | mustDateModify .x'
        return f'{{{{{start} | date "{SHOWN}"}}}} {{{{durationRound .x}}}}', {"x": "".join(parts)}

    def numbers(self) -> Made:
        two = words("add sub mul div mod max min maxf minf addf subf mulf divf")
        one = words("int float64 add1 floor ceil toJson toString")
        call = self.random.choice([
            self.random.choice(two) + " .x .y", self.random.choice(one) + " .x",
            f"round .x {self.random.randint(-3, 8)}",
        ])  # fmt: skip
        return f"{{{{{call}}}}}", {"x": self.number(), "y": self.number()}

    def strings(self) -> Made:
        size, start = self.random.randint(-12, 25), self.random.randint(-3, 15)
        call = self.random.choice([
            "upper .x", "lower .x", "title .x", "trim .x", "quote .x", "toRawJson .x", "b64enc .x",
            "b64dec .x", "indent 2 .x", "regexQuoteMeta .x", "trimAll .y .x", "contains .y .x",
            "trimPrefix .y .x", 'replace .y "X" .x', "splitList .y .x | toJson", f"wrap {size} .x",
            f"abbrev {size} .x", f"trunc {size} .x", f"substr {start} {size} .x",
            f"abbrevboth {start} {size} .x", f"splitn .y {start} .x | toJson",
            f"wrapWith {size} .y .z",
        ])  # fmt: skip
        data = {"x": self.word(LETTERS, 30), "y": self.word(LETTERS, 2)}
        return f"{{{{{call}}}}}", data | {"z": self.word("abc de  f,.-", 40)}

    def patterns(self) -> Made:
        template = self.random.choice([
            "{{regexFindAll .p .x -1 | len}}{{regexFindAll .p .x -1}}{{regexFind .p .x}}",
            "{{regexReplaceAll .p .x .r}}{{regexReplaceAllLiteral .p .x .r}}",
            "{{regexSplit .p .x 2 | len}}{{range regexSplit .p .x -1}}<{{.}}>{{end}}",
        ])  # fmt: skip
        replacement = self.random.choice(["<$0>", "$1", "${n}", "[${1}$n]", "$$", "$1x"])
        return template, {"p": self.pattern(), "x": self.word("aabbcx 1é\n", 14), "r": replacement}

    def urls(self) -> Made:
        start = self.random.choice(["http://", "https://", "//", "", "mailto:", "/", "postgres://"])
        template = self.random.choice(["{{urlParse .x | toRawJson}}", "{{urlParse .x | urlJoin}}"])
        return template, {"x": start + self.word(URL, 18)}

    def parts(self) -> Made:
        names = words("scheme host path query opaque fragment userinfo")
        chosen = self.random.sample(names, self.random.randint(0, len(names)))
        return "{{urlJoin .x}}", {"x": {name: self.word(URL, 6) for name in chosen}}

    def values(self) -> Made:
        call = self.random.choice([
            "toJson .x", "toPrettyJson .x", "toRawJson .x", "toString .x | quote", "uniq .x",
            "sortAlpha .x", 'join "-" .x', "compact .x", "squote .x .x", "cat .x 1",
            "merge .x .y | toJson", "mergeOverwrite .x .y | toJson", "keys .x | sortAlpha",
            'dig "a" "no" .x', "has .y .x", "without .x .y", "coalesce .x .y 1 | toJson",
            "empty .x",
        ])  # fmt: skip
        return f"{{{{{call}}}}}", {"x": self.value(), "y": self.value()}

    def json(self) -> Made:
        text = json.dumps(self.value(), ensure_ascii=self.random.random() < 0.5)
        return "{{fromJson .x | toJson}}", {"x": self.bent(text, '0123456789 :-+.,{}[]"\\eu')}


GROUPS: dict[str, Callable[[Maker], Made]] = {
    name: getattr(Maker, name)
    for name in words("dates parsing durations numbers strings patterns urls parts values json")
}


@cache
def compiled(template: str) -> Template:
    return compile_template(template, missing="default")


def answer(case: Case) -> str | None:
    """What is rendered, or None for an error."""
    try:
        return compiled(str(case["template"])).render(case["data"], now=0.0)  # type: ignore[arg-type]
    except TemplateError:
        return None


def is_meant(case: Case, given: str | None) -> bool:
    """Whether docs/functions.md explains the difference."""
    cut = "\ufffd" in str(case.get("output"))
    nil_map = "expected map[string]interface {}; got interface {}" in str(case.get("error"))
    nil_list = case.get("output") == "null" and given == "[]"
    return cut or nil_map or nil_list


def main() -> int:
    """Compare, print, count; the exit status for the shell."""
    count = int(sys.argv[1]) if sys.argv[1:] else 10_000
    seed = int(sys.argv[2]) if sys.argv[2:] else 1
    groups = sys.argv[3:] or list(GROUPS)
    maker = Maker(seed)
    cases: list[Case] = []
    for number in range(count):
        template, data = GROUPS[groups[number % len(groups)]](maker)
        cases.append({"library": "sprig", "template": template, "data": data})
    recording = record(cases)
    if recording is None:
        return 0
    different = 0
    for line in recording.splitlines():
        case = json.loads(line)
        given = answer(case)
        if given != case.get("output") and not is_meant(case, given):
            different += 1
            print(f"{case['template']} with {json.dumps(case['data'], ensure_ascii=False)}")
            print(f"    sprig: {case.get('output', case.get('error'))!r}\n    here:  {given!r}")
    print(f"{count} compared, {different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
