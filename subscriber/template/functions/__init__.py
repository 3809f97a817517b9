"""The function library of both dialects: a table from name to documented function.

Importing this package fills the table; `registry` says how a function is written.
"""

from subscriber.template.functions.registry import (
    EXAMPLE_NOW,
    FUNCTIONS,
    Encoded,
    Example,
    Function,
    FunctionError,
    Run,
    function,
    kind_of,
    wrong_type,
)

__all__ = [
    "EXAMPLE_NOW",
    "FUNCTIONS",
    "Encoded",
    "Example",
    "Function",
    "FunctionError",
    "Run",
    "function",
    "kind_of",
    "wrong_type",
]
