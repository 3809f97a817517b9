"""The verbs, gathered."""

from __future__ import annotations

from typing import Annotated

import typer

from subscriber.cli import (
    alerts,
    backtest,
    check,
    demo,
    dlq,
    docs,
    explain,
    functions,
    import_webhook,
    init,
    render,
    run,
    sample,
    schema,
    send,
    simulate,
    tail,
    test,
)

app = typer.Typer(
    name="pagerduty-subscriber",
    help="Turn delivery CloudEvents on NATS into PagerDuty alerts and change events.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - 30 ms that only this needs

        typer.echo(f"pagerduty-subscriber {version('pagerduty-subscriber')}")
        raise typer.Exit


@app.callback()
def _root(
    _version_asked: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass


app.command(name="run")(run.run)
app.command(name="demo")(demo.demo)
app.command(name="init")(init.init)
app.command(name="check")(check.check)
app.command(name="send")(send.send)
app.command(name="sample")(sample.sample)
app.command(name="explain")(explain.explain)
app.command(name="backtest")(backtest.backtest)
app.command(name="tail")(tail.tail)
app.command(name="import-webhook")(import_webhook.import_webhook)
app.command(name="render")(render.render)
app.command(name="test")(test.run_cases)
app.command(name="functions")(functions.functions)
app.command(name="schema")(schema.schema)
app.command(name="docs")(docs.docs)
app.command(name="simulate")(simulate.simulate)
app.add_typer(dlq.dlq)
app.add_typer(alerts.alerts)
