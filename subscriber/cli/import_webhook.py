"""`import-webhook`: from Keptn's webhook configuration to rules."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from subscriber.config.webhook_drafts import Drafts, Note

_STAGES = ".keptn-stages"
_CONFIG = "subscriber.yaml"


def import_webhook(
    file: Annotated[Path, typer.Argument(help="Keptn's webhook.yaml; `-`: standard input.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write the result.")
    ] = Path("imported"),
    resolve: Annotated[
        bool,
        typer.Option(
            "--resolve",
            help="Where a webhook only ever triggers: page for fail and warning, resolve on pass.",
        ),
    ] = False,
    project: Annotated[
        str, typer.Option(help="The Keptn project that the subscription is for.")
    ] = "",
    stage: Annotated[
        str, typer.Option(help="Its stage; by default that of a path below .keptn-stages.")
    ] = "",
    service: Annotated[
        str, typer.Option(help="Its service; by default that of a path below .keptn-stages.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Turn Keptn's webhooks that post to PagerDuty into rules, services and body files.

    Reads v1alpha1 (curl) and v1beta1. Routing keys are not copied: each becomes a service with an
    environment variable for its key. What is not carried over is listed. Exit 1 when nothing in the
    file is for PagerDuty, or the result needs a hand before it can run.

    Examples:

        pagerduty-subscriber import-webhook webhook.yaml

        pagerduty-subscriber import-webhook webhook.yaml --resolve --stage production -o pagerduty

        pagerduty-subscriber import-webhook .keptn-stages/production/checkout/webhook/webhook.yaml
    """
    from subscriber.cli.console import problems_end, read_text  # noqa: PLC0415
    from subscriber.config.keptn_webhook import load_webhooks  # noqa: PLC0415
    from subscriber.config.webhook_rules import drafted  # noqa: PLC0415

    found = _from_path(file)
    filters = {
        "project": project,
        "stage": stage or found.get("stage", ""),
        "service": service or found.get("service", ""),
    }
    with problems_end():
        webhooks = load_webhooks(read_text(file), name=str(file))
        drafts = drafted(webhooks, filters=filters, resolve=resolve)
        if drafts.rules:
            _write(drafts, file.name, output, force=force)
    for note in drafts.notes:
        _tell(note)
    if not drafts.rules:
        typer.echo("nothing in it is posted to PagerDuty; nothing was written", err=True)
        raise typer.Exit(1)
    if not any(filters.values()):
        typer.echo(
            "note: Keptn keeps elsewhere (Bridge, Integrations) for which projects, stages and "
            "services a\n  subscription is. If this one was limited, give --project, --stage, "
            "--service."
        )
    _check(output / _CONFIG)
    _say_what_next(drafts.rules[0].types, filters, output / _CONFIG)


def _from_path(file: Path) -> dict[str, str]:
    """Stage and service of a file in a Keptn project's repository, where its path says so."""
    parts = file.resolve().parts
    if _STAGES not in parts:
        return {}
    below = parts[parts.index(_STAGES) + 1 :]
    if below[-2:-1] != ("webhook",):
        return {}
    return dict(zip(("stage", "service"), below[:-2], strict=False))


def _write(drafts: Drafts, source: str, folder: Path, *, force: bool) -> None:
    """Write the configuration and the bodies.

    Raises:
        Problem: something is there already, or cannot be written.
    """
    from subscriber.config.webhook_text import written  # noqa: PLC0415
    from subscriber.model import Problem, Reason  # noqa: PLC0415

    texts = {_CONFIG: written(drafts, source=source)}
    texts |= {rule.body_file: rule.body for rule in drafts.rules}
    there = [name for name in texts if (folder / name).exists()]
    if there and not force:
        raise Problem(
            Reason.INVALID_VALUE,
            f"{', '.join(there)} would be overwritten; nothing was written",
            where=str(folder),
            hint="give another --output, or --force",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise Problem(
            Reason.MISSING_FILE, f"cannot be written: {error.strerror}", where=str(folder)
        ) from None
    for name in texts:
        typer.echo(f"wrote {folder / name}")


def _tell(note: Note) -> None:
    from subscriber.cli.table import plain  # noqa: PLC0415

    typer.echo(plain(f"{note.kind.value}: {note.where}: {note.text}"))
    if note.hint:
        typer.echo(plain(f"  hint: {note.hint}"))


def _check(config: Path) -> None:
    """Say whether the result is good; exit 1 when it is not."""
    from subscriber.cli.console import problems_end, read_config  # noqa: PLC0415
    from subscriber.service.rulebook import load_rules  # noqa: PLC0415

    try:
        with problems_end(1):
            settings, document, folder = read_config(config)
            rules = load_rules(settings, document, folder=folder)
    except typer.Exit:
        typer.echo("what was written needs a hand before it runs: see above", err=True)
        raise
    names = ", ".join(rule.name for rule in rules.rules)
    typer.echo(f"{config}: good. Rules: {names}; services: {', '.join(sorted(rules.services))}")


def _say_what_next(types: str, filters: dict[str, str], config: Path) -> None:
    event_type = "sh.keptn.event.evaluation.finished" if "*" in types else types
    changes = [shlex.quote(f"data.{name}={value}") for name, value in filters.items() if value]
    sample = " ".join([event_type, *(f"--set {change}" for change in changes)])
    typer.echo("Next, see what it makes of an event:")
    typer.echo(
        f"  pagerduty-subscriber sample {sample} | \\\n"
        f"    pagerduty-subscriber explain - --config {shlex.quote(str(config))}"
    )
