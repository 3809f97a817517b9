"""Whom the output of a verb is for."""

from enum import StrEnum


class Output(StrEnum):
    """The values of `--output`."""

    TEXT = "text"
    JSON = "json"


class Format(StrEnum):
    """The values of `--output` where YAML is offered too."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
