"""The recorded cases: tables made by hand, multiplied out, and a share of random templates.

Rules: small spaces are exhausted (every format with every value, every comparison with every pair of
kinds, every literal); behaviour that is easily got wrong has a case of its own.
"""

# ruff: noqa: E501 - a template is shown in one piece

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice, product

from grammar import FORMATS, LITERALS, Grammar
from oracle import Case

RANDOM_SEED, RANDOM_COUNT = 20_240_506, 3000

VALUES: dict[str, object] = {
    "zero": 0, "int": 42, "negative": -7, "big": 2**63 - 1, "float": 3.5, "whole": 85.0,
    "large": 1234567.0, "tiny": 1e-7, "empty": "", "text": "fail", "odd": 'q"<\n\t\\é日\u2028\x00',
    "yes": True, "no": False, "nil": None, "list": [1, "a", None, 2.5, [True]], "none": [],
    "map": {"b": 1, "a": None, "c": {"x": "y"}}, "nothing": {},
}  # fmt: skip
DOCUMENT = json.dumps(VALUES)
MISSING = ("default", "zero", "error")

EVENT = json.dumps(
    {
        "type": "sh.keptn.event.evaluation.finished",
        "data": {
            "project": "sockshop",
            "result": "fail",
            "score": 42.5,
            "labels": {"build": "17", "author": 'Ann "A" O\'Neil', "": "empty"},
            "evaluation": {
                "indicatorResults": [
                    {"metric": "error_rate", "value": 0.25, "status": "fail", "keySli": True},
                    {"metric": "response_time_p95", "value": 812.0, "status": "pass"},
                    {"metric": "throughput", "value": None, "status": "info"},
                ]
            },
            "users": 3,
            "null": None,
        },
    }
)

WRITTEN = (
    # text, comments, trimming
    "", "plain", "{", "}}", "a {{- 1 -}} b", "a {{- /* c */ -}} b", "a\n\t{{- 1}}\n", "{{/**/}}x",
    "{{1 -}}\n\n  x", "{{- 1}}{{- 2 -}}  {{- 3}}", "{{-3}}", "{{- -3}}", "{{3 -}}", "{{3-}}",
    "{{/* a }} */}}x", "{{ /* a */}}x", "{{/* a", "{{/* a */ }}", "é{{1}}日",
    # fields and chains
    "{{.type}}", "{{.data.result}}", "{{.data.missing}}", "{{.data.missing.deep}}", "{{.missing.a.b}}",
    "{{.data.null}}", "{{.data.null.x}}", "{{.data.result.x}}", "{{.data.score.x}}", "{{.data.labels}}",
    "{{(.data).result}}", "{{(.data.null).x}}", "{{(index .data.labels `build`)}}", "{{$.type}}",
    "{{(.missing).x}}", "{{$.data.users}}", "{{.}}", "{{$}}", "{{.data.labels.build.x}}", "{{..type}}",
    "{{.data.evaluation.indicatorResults}}", "{{.data.evaluation.indicatorResults.x}}", "{{. .type}}",
    "{{.type 1}}", "{{1 | .type}}", "{{.missing 1}}", "{{1 | .missing}}", "{{(.type) 1}}", "{{$.type 1}}",
    "{{nil}}", "{{print nil}}", "{{nil | print}}", "{{1 | 2}}", "{{.type | 1}}", "{{true.x}}", "{{1.x}}",
    '{{"a".x}}', "{{nil.x}}", "{{(nil)}}", "{{(nil).x}}", "{{eq.x}}", "{{.data.labels.}}", "{{.a-b}}",
    # variables
    "{{$x := 1}}{{$x}}", "{{$x := 1}}{{$x = 2}}{{$x}}", "{{$x}}", "{{$x = 1}}", "{{$x := $x}}",
    "{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "{{$x := .data.null}}{{$x}}{{$x.y}}",
    "{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "{{if $x := 0}}{{else}}{{$x}}{{end}}",
    "{{$x := 0}}{{range .data.evaluation.indicatorResults}}{{$x = .metric}}{{end}}{{$x}}",
    "{{with $x := .data}}{{$x.result}}{{.result}}{{end}}", "{{$ = 1}}{{$}}{{.type}}", "{{$ := 2}}{{$}}",
    "{{and 0 ($x := 5)}}{{$x}}", "{{and 1 ($x := 5)}}{{$x}}", "{{$x := 1}}{{or 1 ($x := 2)}}{{$x}}",
    "{{$x := 1}}{{print ($x = 2) $x}}{{$x}}", "{{print ($x := 3) $x}}", "{{($x := 3) | print $x}}",
    "{{range 3}}{{and . ($x := 9)}}{{$x}}{{end}}", "{{$x, $y := 1}}", "{{$x := 1 | $x}}", "{{$x:=1}}{{$x}}",
    "{{$x :=1}}{{$x}}", "{{$x= 1}}", "{{$x := 1}}{{template `t` $x}}{{define `t`}}{{$x}}{{end}}",
    "{{$longer_name1 := 1}}{{$longer_name1}}", "{{$é := 1}}{{$é}}", "{{$x := 1}}{{$x.y}}",
    # if, with, range
    "{{if .data.result}}a{{else}}b{{end}}", "{{if 0}}a{{else if 0.0}}b{{else if ``}}c{{else}}d{{end}}",
    "{{if .missing}}a{{else}}b{{end}}", "{{with .data.null}}a{{else}}b{{end}}", "{{if not .data}}x{{end}}",
    "{{with 0}}a{{else with 1}}b{{.}}{{else}}c{{end}}", "{{if true}}a{{else}}b{{else}}c{{end}}",
    "{{with .missing}}a{{else with .data.labels}}{{.build}}{{end}}", "{{if}}a{{end}}", "{{if true}}",
    "{{end}}", "{{else}}", "{{if 1}}{{else}}", "{{range}}{{end}}", "{{with}}{{end}}", "{{if 1}}{{end}}}}",
    "{{range .data.evaluation.indicatorResults}}{{.metric}}={{.value}} {{end}}",
    "{{range $i, $x := .data.evaluation.indicatorResults}}{{if $i}}, {{end}}{{$i}}:{{$x.metric}}{{end}}",
    "{{range $x := .data.evaluation.indicatorResults}}{{$x.status}}{{else}}none{{end}}",
    "{{range .data.labels}}{{.}};{{end}}", "{{range $k, $v := .data.labels}}{{$k}}={{$v}};{{end}}",
    "{{range $k := .data.labels}}{{$k}};{{end}}", "{{range .data.users}}{{.}}{{end}}", "{{range 3}}x{{end}}",
    "{{range $i := 3}}{{$i}}{{end}}", "{{range $i, $x := 3}}{{$i}}{{end}}", "{{range -1}}x{{else}}e{{end}}",
    "{{range .data.null}}x{{else}}e{{end}}", "{{range .missing}}x{{else}}e{{end}}", "{{range 1.5}}x{{end}}",
    "{{range .type}}x{{end}}", "{{range true}}x{{end}}", "{{range `ab`}}x{{end}}", "{{range 'a'}}{{end}}",
    "{{range 5}}{{if eq . 3}}{{break}}{{end}}{{.}}{{end}}", "{{break}}", "{{range 1}}{{else}}{{break}}{{end}}",
    "{{range 5}}{{if eq . 3}}{{continue}}{{end}}{{.}}{{end}}", "{{if 1}}{{continue}}{{end}}",
    "{{range 2}}{{range 3}}{{if eq . 1}}{{break}}{{end}}{{.}}{{end}};{{end}}", "{{range 2}}{{break}}x{{end}}y",
    "{{range $x := slice `abc` 0 0}}{{end}}", "{{range $i, $x := .data.null}}a{{else}}{{$x}}{{end}}",
    "{{range $x = .data.labels}}{{end}}", "{{$x := 0}}{{range $x = .data.labels}}{{end}}{{$x}}",
    "{{$x := 0}}{{$i := 0}}{{range $i, $x = .data.labels}}{{end}}{{$i}}{{$x}}", "{{range .data}}{{.}}|{{end}}",
    "{{range $i, $x}}{{end}}", "{{range $i, 3 := .data}}{{end}}", "{{range $a, $b, $c := .data}}{{end}}",
    "{{range index `abc` 0}}{{break}}{{end}}x", "{{range . := .data}}{{end}}", "{{range .data.x.y}}{{end}}",
    # templates
    "{{define `a`}}A{{.}}{{end}}{{template `a` 1}}{{template `a`}}", "{{template `no`}}", "{{template}}",
    "{{if false}}{{template `no`}}{{end}}x", "{{block `b` .type}}[{{.}}]{{end}}", "{{block `b`}}{{end}}",
    "{{define `a`}}1{{end}}{{define `a`}}2{{end}}{{template `a`}}", "{{define `a`}} {{end}}{{define `a`}}2{{end}}"
    "{{template `a`}}", "{{define `a`}}1{{end}}{{define `a`}} {{end}}{{template `a`}}", "{{define a}}{{end}}",
    "{{define `r`}}{{if .}}{{len .}}{{template `r` (slice . 1)}}{{end}}{{end}}{{template `r` `abcd`}}",
    "{{if 1}}{{define `a`}}{{end}}{{end}}", "{{define `a`}}{{$}}{{$.x}}{{end}}{{template `a` .data.null}}",
    "{{define `t`}}again{{end}}", "{{define `a`}}{{.result}}{{end}}{{template `a` .data}}{{template `a` .type}}",
    "{{define `a`}}", "{{define `a`}}{{else}}{{end}}", "{{template `a` 1 2}}{{define `a`}}{{end}}",
    '{{template "a" . | print}}{{define "a"}}{{.}}{{end}}', "{{range 2}}{{block `b` .}}{{break}}{{end}}{{end}}",
    "{{define `a`}}{{.x}}{{end}}{{template `a`}}", "{{template `a` nil}}{{define `a`}}{{end}}",
    # pipelines and parentheses
    "{{1 | print 2}}", "{{`a` | printf `%s-%s` `b`}}", "{{`%d` | printf}}", "{{(1)}}", "{{((1))}}", "{{()}}",
    "{{(1}}", "{{1)}}", "{{print (print 1) 2}}", "{{|}}", "{{1 |}}", "{{| 1}}", "{{1 || 2}}", "{{print|print}}",
    "{{print 1|print 2|print 3}}", "{{`a`|len|printf `%d`}}", "{{true | not | not}}", "{{print(1)}}",
    "{{print `a``b`}}", "{{print 1,2}}", "{{print 1 , 2}}", "{{(print 1)2}}", "{{print (1)(2)}}", "{{1 2}}",
    # functions
    "{{and}}", "{{or}}", "{{not}}", "{{len}}", "{{index}}", "{{slice}}", "{{eq}}", "{{eq 1}}", "{{lt 1}}",
    "{{print}}", "{{println}}", "{{html}}", "{{js}}", "{{urlquery}}", "{{printf}}", "{{call}}", "{{ne 1 2 3}}",
    "{{call nil}}", "{{call 1}}", "{{call .data.null}}", "{{not 1 2}}", "{{len 1 2}}", "{{unknown}}", "{{a.b}}",
    "{{and 1 0 (index 1 1)}}", "{{or 0 1 (index 1 1)}}", "{{and 0 (index 1 1)}}", "{{1 | and 0}}", "{{0 | or 1}}",
    "{{0 | and 1 2}}", "{{(index 1 1) | and 0}}", "{{and .missing 1}}", "{{or .missing 1}}", "{{or nil 1}}",
    "{{and nil 1}}", "{{or .data.null .missing}}", "{{eq 1 2 3 1}}", "{{eq nil nil}}", "{{eq .missing nil}}",
    "{{eq .data.null nil}}", "{{eq .missing .missing}}", "{{ne .data nil}}", "{{lt nil 1}}", "{{eq (index `a` 0) 97}}",
    "{{lt (index `a` 0) 98}}", "{{gt 98 (index `a` 0)}}", "{{index `a` 0 | printf `%T %v %#v %x`}}", "{{eq 'a' 97}}",
    "{{len `héllo`}}", "{{len .data.labels}}", "{{len .data.null}}", "{{len .missing}}", "{{len 3}}", "{{len nil}}",
    "{{index `héllo` 1}}", "{{slice `héllo` 1 3}}", "{{slice `héllo` 0 2}}", "{{slice `abc` 1 2 3}}", "{{slice 1}}",
    "{{slice `abc` 2 1}}", "{{slice `abc` 4}}", "{{slice `abc` 3}}", "{{slice `abc` -1}}", "{{slice nil}}",
    "{{slice .data.evaluation.indicatorResults 1 2 2}}", "{{slice .data.evaluation.indicatorResults 1 2 1}}",
    "{{slice .data.labels}}", "{{slice `abc` 1 2 3 4}}", "{{slice `abc` `1`}}", "{{slice `abc` nil}}",
    "{{index .data.labels `build`}}", "{{index .data.labels `no`}}", "{{index .data.labels `no` 1}}", "{{index nil}}",
    "{{index .data.labels 1}}", "{{index .data.labels nil}}", "{{index .data `labels` `build`}}", "{{index .missing 1}}",
    "{{index .data.evaluation.indicatorResults 0 `metric`}}", "{{index .data.evaluation.indicatorResults 3}}",
    "{{index .data.evaluation.indicatorResults -1}}", "{{index .data.evaluation.indicatorResults 1.5}}",
    "{{(index .data.evaluation.indicatorResults 0).metric}}", "{{index .type 0}}", "{{index 1}}", "{{index 1 2}}",
    "{{index .data.evaluation.indicatorResults true}}", "{{index .data.labels}}", "{{index .data.null}}",
    "{{print 1 2}}{{print `a` 1 2 `b` 3}}{{print nil nil}}{{print 1.0 `` 2}}", "{{println 1 `a` nil}}",
    "{{html `<a href=\"x\">'&'</a>`}}{{html 1 `a` nil 2}}{{html nil}}{{html .missing}}{{html \"\\x00\"}}",
    "{{js `'\"<>&=\\`}}{{js \"\\n\\t\\x7f\\u2028é🎉\\xff\"}}{{js 1 2}}{{js nil}}{{js .data.labels}}",
    "{{urlquery `a b&c=d/é~-_.*`}}{{urlquery 1 2}}{{urlquery nil}}{{urlquery \"\\xff\"}}{{urlquery .missing}}",
    "{{printf `%v` nil}}{{printf `%d` nil}}{{printf `%s` .missing}}{{printf nil}}{{printf 1}}",
    "{{printf 1}}", "{{printf nil}}", "{{printf .data.null}}", "{{printf .missing}}", "{{printf .data.users 1}}",
    "{{printf \"%s\\xff%q\" \"\\xfe\" \"a\\xffb\"}}", "{{printf `%d %d` 1}}", "{{printf `%d` 1 2}}", "{{printf `` 1 nil}}",
    "{{printf `%[3]*.[2]*[1]f|` 12.0 2 6}}", "{{printf `%[2]*[1]d|` 2 5}}", "{{printf `%.*d` 3 7}}", "{{printf `%*d` `a` 7}}",
    "{{printf `%1000001d` 1}}", "{{printf `%.1000001d` 1}}", "{{printf `%*d` 1000001 1}}", "{{printf `%-*d|` -5 1}}",
    "{{printf `%[1]d %d %[1]d` 1 2}}", "{{printf `%[0]d` 1}}", "{{printf `%[-1]d` 1}}", "{{printf `%[]d` 1}}",
    "{{printf `%[1]` 1}}", "{{printf `%[1` 1}}", "{{printf `%.[2]d` 1 2}}", "{{printf `%[2]2d` 1 2}}", "{{printf `%.-3d` 1}}",
)  # fmt: skip

OPERANDS = (
    ".zero", ".int", ".negative", ".float", ".whole", ".empty", ".text", ".yes", ".nil", ".list",
    ".map", "nil", "1", "1.0", '"fail"', "true", "(index .text 0)", ".missing",
)  # fmt: skip


def tables() -> Iterator[Case]:
    """Every case that is not random."""
    for source in WRITTEN:
        for missing in MISSING:
            yield Case(source, EVENT, missing)
    for literal in LITERALS:
        yield Case(f"{{{{{literal}}}}}|{{{{print {literal}}}}}", "null")
        yield Case(f"{{{{printf `%T %v` {literal} {literal}}}}}", "null")
    for name, value in VALUES.items():
        data = json.dumps({"v": value})
        for function in (
            "print",
            "println",
            "html",
            "js",
            "urlquery",
            "len",
            "not",
            "index",
            "slice",
        ):
            yield Case(f"{{{{{function} .v}}}}|{{{{.v | {function}}}}}", data)
        yield Case(
            "{{.v}}|{{if .v}}t{{else}}f{{end}}|{{with .v}}{{.}}{{end}}|{{and .v 1}}|{{or .v 2}}",
            data,
        )
        yield Case("{{range .v}}{{.}},{{else}}none{{end}}", data)
        yield Case("{{range $k, $x := .v}}{{$k}}={{$x}},{{else}}none{{end}}", data)
        for form in FORMATS:
            yield Case(f"{{{{printf `{form}` .{name}}}}}", json.dumps({name: value}))
    for operator, left, right in product(("eq", "lt", "ge"), OPERANDS, OPERANDS):
        yield Case(f"{{{{{operator} {left} {right}}}}}", _COMPARED)
    for operator in ("ne", "le", "gt"):
        for left, right in product(OPERANDS[:10], OPERANDS[:10]):
            yield Case(f"{{{{{operator} {left} {right}}}}}", _COMPARED)


_COMPARED = json.dumps({key: VALUES[key] for key in (
    "zero", "int", "negative", "float", "whole", "empty", "text", "yes", "nil", "list", "map",
)})  # fmt: skip


def cases() -> Iterator[Case]:
    """All cases to record, each once."""
    seen: set[Case] = set()
    for case in (*tables(), *islice(Grammar(RANDOM_SEED).cases(), RANDOM_COUNT)):
        if case not in seen:
            seen.add(case)
            yield case
