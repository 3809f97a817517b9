"""Random Go templates and random JSON for them.

Rules: the same seed gives the same case; about nine in ten templates are well formed, the others
have a random edit; numbers are small where they steer a loop or a width, so that neither side meets
a limit of its own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from oracle import Case

KEYS = ("a", "b", "c", "list", "map", "n", "f", "s", "t", "nil", "deep", "e")
TEXTS = (
    "", "x", "fail", "pass", "a b", 'q"uote', "<b>&'\"", "line\nbreak", "tab\t", "héllo", "日本",
    "\u2028", "\x00", "\x7f", "emoji 🎉", "0", "true", "%d", "{{.a}}", "a=b&c", "\\", "é" * 3,
    "\ufeffbom", "\xa0nbsp", "\u200bzero",
)  # fmt: skip
NUMBERS = (0, 1, 2, 3, -1, 7, 10, 255, 1000, -12345, 2**31, 2**53, 2**63 - 1, -(2**63))
FLOATS = (
    0.0, 0.5, 1.5, -2.25, 85.0, 99.99, 1e6, 999999.0, 1234567.0, 1e20, 1e21, 1e22, 1e-4, 1e-5,
    1.7976931348623157e308, 5e-324, 3.14159, -0.0, 100.0, 0.1, 2.5, 1e100,
)  # fmt: skip
LITERALS = (
    "0", "1", "2", "-1", "+3", "10", "0x1F", "0b101", "0o17", "017", "1_000", "1.5", "-0.5", "1e3",
    "1e-7", ".5", "5.", "0x1p4", "1E6", "'a'", "'\\n'", "'\\''", "'é'", '"x"', '"fail"', '""',
    '"a\\"b"', '"\\n\\t"', '"\\x41\\u00e9"', '"\\xff"', '"\\101"', "`raw \\n`", "`a\"b`", "true",
    "false", '"héllo"', "1e21", "123456789.0", "9223372036854775807", "18446744073709551615",
    "0x_1F", "1_2_3.5", "1__0", "08", "0x", "'ab'", '"\\q"',
)  # fmt: skip
FORMATS = (
    "%d", "%s", "%v", "%q", "%x", "%X", "%t", "%f", "%.2f", "%8.3f", "%-8d|", "%08d", "%+d", "% d",
    "%e", "%g", "%G", "%E", "%5s|", "%-5s|", "%.1s", "%05s", "%T", "%#v", "%+v", "%#x", "%#o", "%o",
    "%O", "%b", "%c", "%U", "%#U", "%#q", "%+q", "% x", "%#X", "% #x", "%6.2f%%", "%%", "%!", "%z",
    "%", "%5", "%.", "%d %d", "%s-%v", "%[2]d %[1]d", "%[1]v %[1]T", "%*d", "%-*d|", "%.*f",
    "%[5]d",
    "%[1]*[2]d",
    "%[x]d", "%.3x", "%10q|", "%w", "%.0f", "%.10g", "%#g", "%#.3e", "%x %X", "%08.3f",
    "%+.2e", "%-010d|", "%+08d", "% 05d", "%.3d", "%.0d", "%8.3d|", "%v %v %v", "%.2v", "%5t|",
    "%5v|",
    "%-5v|", "%05v", "%#b", "%+x", "%#+v", "%é", "%s%s%s%s", "%+.3g", "%#08x", "%20v|", "%6c|",
    "%-6c|",
)  # fmt: skip
VARIADIC = ("print", "println", "html", "js", "urlquery")
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
NOISE = "{}()|.$\"'`:=, -/*%\\ndefr0x"


class Grammar:
    """Makes cases from one random source."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.variables: list[str] = []
        self.ranges = 0

    def cases(self) -> Iterator[Case]:
        """Cases without end."""
        while True:
            yield self.case()

    def case(self) -> Case:
        r = self.random
        self.variables, self.ranges = ["$"], 0
        template = self.body(r.randint(1, 3), r.randint(1, 4))
        if r.random() < 0.25:
            saved, self.variables, self.ranges = self.variables, ["$"], 0
            name = r.choice(("x", "y"))
            definition = f'{{{{define "{name}"}}}}{self.body(1, 2)}{{{{end}}}}'
            self.variables = saved
            template = definition + template if r.random() < 0.5 else template + definition
        if r.random() < 0.08:
            template = self.damaged(template)
        return Case(template, json.dumps(self.data()), r.choice(("default", "error", "zero")))

    def damaged(self, template: str) -> str:
        r = self.random
        at = r.randrange(len(template) + 1)
        kind = r.random()
        if kind < 0.4:
            return template[:at] + r.choice(NOISE) + template[at:]
        if kind < 0.8:
            return template[:at] + template[at + r.randint(1, 3) :]
        return template[:at]

    # -- data ----------------------------------------------------------------------------------

    def data(self) -> object:
        r = self.random
        if r.random() < 0.04:
            return self.json(1)
        document = {key: self.json(2) for key in KEYS if r.random() < 0.5}
        # Most of the time the names mean what they say.
        for key, make in (
            ("list", lambda: [self.json(1) for _ in range(r.randint(0, 3))]),
            ("map", lambda: {k: self.json(1) for k in r.sample(KEYS, r.randint(0, 3))}),
            ("n", lambda: r.choice(NUMBERS[:6])),
            ("f", lambda: r.choice(FLOATS)),
            ("s", lambda: r.choice(TEXTS)),
            ("t", lambda: r.random() < 0.5),
            ("nil", lambda: None),
            ("deep", lambda: {"a": {"b": {"c": self.json(1)}}}),
        ):
            if r.random() < 0.8:
                document[key] = make()
        return document

    def json(self, depth: int) -> object:
        r = self.random
        kind = r.random()
        if depth and kind < 0.2:
            return [self.json(depth - 1) for _ in range(r.randint(0, 3))]
        if depth and kind < 0.45:
            return {k: self.json(depth - 1) for k in r.sample(KEYS, r.randint(0, 4))}
        if kind < 0.6:
            return r.choice(NUMBERS)
        if kind < 0.7:
            return r.choice(FLOATS)
        if kind < 0.9:
            return r.choice(TEXTS)
        return r.choice((None, True, False))

    # -- structure -----------------------------------------------------------------------------

    def body(self, depth: int, size: int) -> str:
        return "".join(self.node(depth) for _ in range(self.random.randint(1, size)))

    def node(self, depth: int) -> str:
        r = self.random
        kind = r.random()
        if kind < 0.3:
            return r.choice(("text", " ", "\n", "  x  ", "{", "}", "é", ".", "\t\n "))
        if kind < 0.68 or depth <= 0:
            return self.action()
        mark = len(self.variables)
        made = r.choice((self.if_, self.if_, self.with_, self.range_, self.range_, self.other))(
            depth
        )
        del self.variables[mark:]
        return made

    def braces(self, inside: str) -> str:
        r = self.random
        left = "{{- " if r.random() < 0.08 else "{{ " if r.random() < 0.2 else "{{"
        right = " -}}" if r.random() < 0.08 else " }}" if r.random() < 0.2 else "}}"
        return left + inside + right

    def action(self) -> str:
        r = self.random
        kind = r.random()
        if kind < 0.12:
            name = r.choice(("$x", "$y", "$z"))
            text = self.braces(f"{name} := {self.pipeline(2)}")
            self.variables.append(name)
            return text
        if kind < 0.2:
            name = r.choice(self.variables + (["$q"] if r.random() < 0.1 else []))
            return self.braces(f"{name} = {self.pipeline(2)}")
        if kind < 0.23:
            return r.choice(("{{/* c */}}", "{{- /* c */ -}}", "{{/*\n*/}}"))
        if kind < 0.26 and (self.ranges or r.random() < 0.1):
            return self.braces(r.choice(("break", "continue")))
        return self.braces(self.pipeline(3))

    def declared(self) -> str:
        r = self.random
        if r.random() < 0.2:
            name = r.choice(("$x", "$y"))
            pipeline = self.pipeline(2)
            self.variables.append(name)
            return f"{name} {r.choice((':=', ':=', '='))} {pipeline}"
        return self.pipeline(2)

    def if_(self, depth: int) -> str:
        r = self.random
        text = self.braces(f"if {self.declared()}") + self.body(depth - 1, 3)
        while r.random() < 0.3:
            text += self.braces(f"else if {self.declared()}") + self.body(depth - 1, 2)
        if r.random() < 0.4:
            text += self.braces("else") + self.body(depth - 1, 2)
        return text + self.braces("end")

    def with_(self, depth: int) -> str:
        r = self.random
        text = self.braces(f"with {self.declared()}") + self.body(depth - 1, 3)
        if r.random() < 0.2:
            text += self.braces(f"else with {self.declared()}") + self.body(depth - 1, 2)
        if r.random() < 0.4:
            text += self.braces("else") + self.body(depth - 1, 2)
        return text + self.braces("end")

    def range_(self, depth: int) -> str:
        r = self.random
        subject = r.choice((".list", ".map", ".list", ".", ".n", "3", "$", ".s", self.operand(1)))
        kind = r.random()
        head = subject
        if kind < 0.25:
            head = f"$x := {subject}"
            self.variables.append("$x")
        elif kind < 0.55:
            head = f"$i, $x := {subject}"
            self.variables += ["$i", "$x"]
        elif kind < 0.62:
            head = f"{r.choice(self.variables)} = {subject}"
        self.ranges += 1
        text = self.braces(f"range {head}") + self.body(depth - 1, 3)
        self.ranges -= 1
        if r.random() < 0.3:
            text += self.braces("else") + self.body(depth - 1, 2)
        return text + self.braces("end")

    def other(self, depth: int) -> str:
        r = self.random
        name = r.choice(("x", "y"))
        if r.random() < 0.4:
            saved = self.variables, self.ranges
            self.variables, self.ranges = ["$"], 0
            body = self.body(depth - 1, 2)
            self.variables, self.ranges = saved
            return f'{{{{block "{name}" {self.pipeline(1)}}}}}{body}{{{{end}}}}'
        argument = self.pipeline(1) if r.random() < 0.7 else ""
        return self.braces(f'template "{name}" {argument}')

    # -- pipelines -----------------------------------------------------------------------------

    def pipeline(self, depth: int) -> str:
        r = self.random
        text = self.command(depth)
        while r.random() < 0.2:
            text += r.choice((" | ", "|", " |")) + self.stage(depth - 1)
        return text

    def stage(self, depth: int) -> str:
        """A command that takes a piped value, mostly."""
        r = self.random
        kind = r.random()
        if kind < 0.3:
            return r.choice((*VARIADIC, "len", "not", "and", "or"))
        if kind < 0.5:
            return f'printf "{r.choice(FORMATS)}"'
        if kind < 0.7:
            return f"{r.choice((*COMPARE, 'index', 'and', 'or', 'slice'))} {self.operand(depth)}"
        return self.command(depth)

    def command(self, depth: int) -> str:
        r = self.random
        kind = r.random()
        if kind < 0.45 or depth <= 0:
            return self.operand(depth)
        if kind < 0.52:
            return f"{r.choice(VARIADIC)} {self.operands(depth, 0, 3)}"
        if kind < 0.66:
            return f'printf "{r.choice(FORMATS)}" {self.operands(depth, 0, 3)}'
        if kind < 0.76:
            return f"{r.choice(COMPARE)} {self.operands(depth, 1, 3)}"
        if kind < 0.86:
            return f"{r.choice(('and', 'or'))} {self.operands(depth, 1, 3)}"
        if kind < 0.9:
            return f"{r.choice(('not', 'len'))} {self.operand(depth - 1)}"
        if kind < 0.97:
            subject = r.choice((".list", ".map", ".s", ".deep", self.operand(depth - 1)))
            keys = (
                r.choice(("0", "1", "2", '"a"', '"b"', ".n", '"list"'))
                for _ in range(r.randint(0, 3))
            )
            return f"{r.choice(('index', 'index', 'slice'))} {subject} {' '.join(keys)}"
        if kind < 0.98:
            return f"{r.choice(('call', 'nofunc', 'eq'))} {self.operands(depth, 0, 2)}"
        return f"{self.operand(depth)} {self.operand(depth)}"

    def operands(self, depth: int, least: int, most: int) -> str:
        count = self.random.randint(least, most)
        return " ".join(self.operand(depth - 1) for _ in range(count))

    def operand(self, depth: int) -> str:
        r = self.random
        kind = r.random()
        if kind < 0.38:
            return "".join(f".{r.choice(KEYS)}" for _ in range(1 if r.random() < 0.75 else 2))
        if kind < 0.46:
            return "."
        if kind < 0.6:
            name = r.choice(self.variables)
            return name + (f".{r.choice(KEYS)}" if r.random() < 0.35 else "")
        if kind < 0.83:
            return r.choice(LITERALS[: 42 if r.random() < 0.95 else None])
        if kind < 0.85:
            return "nil"
        if depth > 0:
            field = f".{r.choice(KEYS)}" if r.random() < 0.25 else ""
            inner = self.pipeline(depth - 1)
            if r.random() < 0.05:
                name = r.choice(("$x", "$y"))
                inner = f"{name} {r.choice((':=', '='))} {inner}"
                self.variables.append(name)
            return f"({inner}){field}"
        return f".{r.choice(KEYS)}"
