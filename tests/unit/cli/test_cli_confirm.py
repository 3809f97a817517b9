"""Nothing is taken back unasked: yes, no, and nobody there."""

from __future__ import annotations

import io
import sys

import pytest
import typer

from subscriber.cli.confirm import confirmed


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stdin", "code"),
    [(Terminal("y\n"), None), (Terminal("n\n"), 1), (Terminal("\n"), 1), (io.StringIO("y\n"), 2)],
    ids=["yes", "no", "just return", "a pipe"],
)
def test_the_answer_decides(
    stdin: io.StringIO, code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    if code is None:
        confirmed("Drop it?", yes=False)
        return
    with pytest.raises(typer.Exit) as caught:
        confirmed("Drop it?", yes=False)
    assert caught.value.exit_code == code


def test_who_said_yes_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    confirmed("Drop it?", yes=True)
