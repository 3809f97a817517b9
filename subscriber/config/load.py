"""Text -> checked configuration, with every fault at once: place, what is wrong, nearest spelling.

Rules: pure; the caller reads files. All faults of a file are reported together. What a message
quotes of the file is never a secret: nothing below `services`, no credentials inside of a URL, and
no word that could be a routing key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from subscriber.config.rule import RuleSpec, Section
from subscriber.config.schema import Config
from subscriber.config.yaml import Document, Path, parse
from subscriber.model import Problem, Reason, excerpt
from subscriber.model.problem import KEY_SHAPED

S = TypeVar("S", bound=Section)

_CREDENTIALS = re.compile(r"(?<=://)[^\s]*@")
_SECRET_PARTS = ("services", "key", "password", "token", "secret", "credential", "nkey")

# pydantic's fault type -> our sentence; what is not here keeps pydantic's own.
_SENTENCES = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping (`key: value` lines)",
    "model_type": "must be a mapping (`key: value` lines)",
    "list_type": "must be a list (lines that begin with `- `)",
}


class ConfigError(Problem):
    """One or several faults of a configuration; `problems` holds them in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        super().__init__(first.reason, first.message, where=first.where, hint=first.hint)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def load_config(text: str, *, name: str = "subscriber.yaml") -> tuple[Config, Document]:
    """Check a configuration file; also returns the positions, for faults found later.

    Raises:
        Problem: INVALID_YAML.
        ConfigError: every unknown key and wrong value in the file.
    """
    document = parse(text, name=name)
    return _validated(Config, document), document


def load_rule(text: str, *, name: str, label: str) -> tuple[RuleSpec, Document]:
    """Check one `rule.yaml`, whose rule is called `label`, after its folder.

    Raises:
        Problem: INVALID_YAML.
        ConfigError: every unknown key and wrong value in the file.
    """
    document = parse(text, name=name)
    if isinstance(document.value, dict):
        document.value.setdefault("name", label)
    return _validated(RuleSpec, document), document


def _validated(model: type[S], document: Document) -> S:
    value = {} if document.value is None else document.value
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=True)
        problems = [_problem(model, document, fault) for fault in faults]
    unique = {str(problem): problem for problem in problems}
    raise ConfigError(sorted(unique.values(), key=lambda problem: _order(problem.where)))


def _order(where: str) -> tuple[int, ...]:
    return tuple(int(part) for part in where.rsplit(":", 2)[1:] if part.isdigit())


def _problem(model: type[BaseModel], document: Document, fault: ErrorDetails) -> Problem:
    path = _path_in(document, fault["loc"])
    if fault["type"] == "extra_forbidden":
        key = str(fault["loc"][-1])
        known = _fields_at(model, path[:-1])
        hint = nearest(key, known) or f"known here: {', '.join(sorted(known))}"
        place = document.where(path, key=True)
        said = excerpt(_quotable(key))
        return Problem(Reason.UNKNOWN_KEY, f"unknown key {said}", where=place, hint=hint)
    name = ".".join(str(part) for part in path) or "the file"
    message = _SENTENCES.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    given = fault.get("input")
    if not _is_secret(path) and fault["type"] != "missing" and isinstance(given, str | int | float):
        message += f", not {excerpt(_quotable(given))}"
    expected = fault.get("ctx", {}).get("expected")
    hint = ""
    if expected and isinstance(given, str):
        hint = nearest(given, (part.strip("' ") for part in re.split(" or |,", expected)))
    return Problem(
        Reason.INVALID_VALUE, f"{name}: {message}", where=document.where(path), hint=hint
    )


def _is_secret(path: Path) -> bool:
    """Whether what stands at `path` may be a secret, put there rightly or by mistake."""
    return any(word in str(part).lower() for part in path for word in _SECRET_PARTS)


def _quotable(given: str | int | float) -> str | int | float:
    """A value as a message may quote it."""
    if not isinstance(given, str):
        return given
    return KEY_SHAPED.sub("***", _CREDENTIALS.sub("***@", given))


def _path_in(document: Document, location: tuple[int | str, ...]) -> Path:
    """pydantic's location without the union branches and function names it adds."""
    path: Path = ()
    for part in location:
        candidate = (*path, part)
        if candidate in document.values or candidate in document.keys:
            path = candidate
    last = location[-1] if location else None
    if isinstance(last, str) and path and path[-1] != last and last.isidentifier():
        # a missing key has no place of its own: name it below its parent
        return (*path, last)
    return path


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that may stand at `path`, found by walking the models."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else None
        else:
            current = _element(current)
    current = _model_in(current)
    return list(current.model_fields) if current is not None else []


def _element(annotation: Any) -> Any:
    arguments = getattr(annotation, "__args__", ())
    return arguments[-1] if arguments else None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest known spelling, or an empty text."""
    spellings = {name.lower(): name for name in known}
    matches = get_close_matches(word.lower(), spellings, n=1, cutoff=0.6)
    return f"did you mean {spellings[matches[0]]!r}?" if matches else ""
