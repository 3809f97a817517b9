"""Whom the output of a verb is for."""

from enum import StrEnum


class Output(StrEnum):
    """The values of `--output`."""

    TEXT = "text"
    JSON = "json"
