"""The verbs, and how a command line is put together from some or all of them.

Rules: a verb that is called is imported and put together alone. All of them together take 30 ms
and 1.3 MB, which a service would keep for good; `--help` needs them, and whoever mistypes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Annotated

import typer

VERBS = {
    "run": "run:run",
    "demo": "demo:demo",
    "init": "init:init",
    "check": "check:check",
    "send": "send:send",
    "sample": "sample:sample",
    "explain": "explain:explain",
    "backtest": "backtest:backtest",
    "tail": "tail:tail",
    "import-webhook": "import_webhook:import_webhook",
    "render": "render:render",
    "test": "test:run_cases",
    "functions": "functions:functions",
    "schema": "schema:schema",
    "docs": "docs:docs",
    "simulate": "simulate:simulate",
    "dlq": "dlq:dlq",
    "alerts": "alerts:alerts",
}
"""Name -> module in this package, and what it is there: a function, or a Typer of further verbs."""


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - 30 ms that only this needs

        typer.echo(f"pagerduty-subscriber {version('pagerduty-subscriber')}")
        raise typer.Exit


def _root(
    _version_asked: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass


def command_line(verbs: Iterable[str]) -> typer.Typer:
    """The command line with these of the verbs, in this order."""
    line = typer.Typer(
        name="pagerduty-subscriber",
        help="Turn delivery CloudEvents on NATS into PagerDuty alerts and change events.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    line.callback()(_root)
    for verb in verbs:
        module, _, name = VERBS[verb].partition(":")
        found = getattr(import_module(f"subscriber.cli.{module}"), name)
        if isinstance(found, typer.Typer):
            line.add_typer(found)
        else:
            line.command(name=verb)(found)
    return line
