"""Go text/template and Jinja templates, compiled once, rendered in a sandbox, safe inside JSON.

    from subscriber.template import compile

    body = compile('{"summary": "{{.data.service}} is {{.data.result}}"}', context="json")
    text = body.render(event.document())

Rules: data are JSON values only (dict, list, str, int, float, bool, None); the time is an argument;
a bad template raises TemplateError when it is compiled, data it cannot use when it is rendered.
"""

from subscriber.template.engine import (
    Context,
    Dialect,
    Expression,
    Missing,
    Template,
    compile_expression,
)
from subscriber.template.engine import compile as compile
from subscriber.template.problem import TemplateError

__all__ = [
    "Context",
    "Dialect",
    "Expression",
    "Missing",
    "Template",
    "TemplateError",
    "compile",
    "compile_expression",
]
