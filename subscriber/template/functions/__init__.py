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

# Importing these fills the table.
from subscriber.template.functions import (  # isort: skip
    defaults as defaults,
    strings as strings,
    layout as layout,
    lists as lists,
    ranges as ranges,
    maps as maps,
    jsontext as jsontext,
    numbers as numbers,
    dates as dates,
    encoding as encoding,
    regex as regex,
    urls as urls,
    kinds as kinds,
    alertmanager as alertmanager,
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
