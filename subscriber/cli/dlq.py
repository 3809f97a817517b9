"""`dlq`: look through the dead letters, replay them, drop them.

Rules: `list`, `show` and `--dry-run` change nothing. Nothing is replayed or dropped without being
named: by number, by a condition, or by `--all`. Ctrl-C ends between two letters.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from subscriber.cli.duration import parse_duration
from subscriber.cli.output import Output

if TYPE_CHECKING:
    import asyncio

    from subscriber.cli.reach import Reach
    from subscriber.service.replay import Batch, Desk, Selection

dlq = typer.Typer(
    name="dlq",
    help="Read, replay and drop dead letters: messages that could not be delivered.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LONGEST_DATA = 20_000
"""Characters of a payload that `show` prints as text; JSON holds all of it."""

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="The configuration file.")
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="REASON", help="Only letters of this reason.")
]
SinceOption = Annotated[
    float | None,
    typer.Option(
        "--since",
        parser=parse_duration,
        metavar="DURATION",
        help="Only letters written in the last 30s, 15m, 2h, 7d ...",
    ),
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="For people, or JSON for machines.")
]
NumbersArgument = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", min=1, help="Numbers, as `list` shows.")
]
EverythingOption = Annotated[bool, typer.Option("--all", help="All letters.")]


@dlq.command(name="list")
def list_letters(
    reason: ReasonOption = None,
    since: SinceOption = None,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
) -> None:
    """List the dead letters, oldest first.

    Examples:

        pagerduty-subscriber dlq list

        pagerduty-subscriber dlq list --reason rejected --since 2h

        pagerduty-subscriber dlq list --output json | jq '.[].reason'
    """
    from subscriber.cli.letters import digest, letter_table, row  # noqa: PLC0415
    from subscriber.cli.reach import working  # noqa: PLC0415
    from subscriber.cli.table import Progress, as_json_array  # noqa: PLC0415

    selection = _selection((), reason, since)
    show_one = row if output is Output.TEXT else digest

    async def work(reach: Reach, _stopping: asyncio.Event) -> list[Any]:
        found = []
        with Progress("letters read") as progress:
            async for letter in _desk(reach).select(selection):
                found.append(show_one(letter, reach.redactor))
                progress.count(len(found))
        return found

    found = working(config, work)
    if output is Output.JSON:
        typer.echo(as_json_array(found))
        return
    for line in letter_table(found):
        typer.echo(line)
    typer.echo(f"{_counted(len(found), 'dead letter')}.")


@dlq.command()
def show(
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="As `list` shows it.")],
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
) -> None:
    """Show one dead letter: why, where from, and the message itself.

    Exit 1 when there is no letter of this number.

    Examples:

        pagerduty-subscriber dlq show 17

        pagerduty-subscriber dlq show 17 --output json | jq -r .data
    """
    from subscriber.cli.letters import spoken, whole  # noqa: PLC0415
    from subscriber.cli.reach import working  # noqa: PLC0415
    from subscriber.cli.table import as_json, facts, plain, width  # noqa: PLC0415

    async def work(reach: Reach, _stopping: asyncio.Event) -> dict[str, Any] | None:
        letter = await _desk(reach).read(number)
        return None if letter is None else whole(letter, reach.redactor)

    found = working(config, work)
    if found is None:
        typer.echo(f"there is no dead letter {number}", err=True)
        raise typer.Exit(1)
    if output is Output.JSON:
        typer.echo(as_json(found, indent=2))
        return
    for line in facts([("Letter", str(number)), *spoken(found)], width()):
        typer.echo(line)
    if found["headers"]:
        typer.echo("\nHeaders of the message")
        for line in facts(found["headers"].items()):
            typer.echo(f"  {line}")
    text = found.get("data")
    typer.echo(f"\nMessage, {found['bytes']} bytes{', not UTF-8' if text is None else ''}")
    shown = found["data_base64"] if text is None else text
    for line in shown[:_LONGEST_DATA].split("\n"):
        typer.echo(f"  {plain(line)}".rstrip())
    if len(shown) > _LONGEST_DATA:
        typer.echo(f"  ... cut after {_LONGEST_DATA} characters; --output json has all of it")


@dlq.command()
def replay(
    numbers: NumbersArgument = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    everything: EverythingOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; publish nothing.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Publish the messages of dead letters again; the running service handles them.

    Each goes to its original subject with its original headers, oldest first, and keeps its place
    in the order: what a newer event of the same alert settled meanwhile stays as it is. A letter is
    removed once the stream has confirmed its message. What cannot be published is kept, the reason
    is said, and the exit code is 1.

    Examples:

        pagerduty-subscriber dlq replay 17 --dry-run

        pagerduty-subscriber dlq replay 17 18 19

        pagerduty-subscriber dlq replay --reason expired --since 2h
    """
    from subscriber.cli.reach import working  # noqa: PLC0415

    selection = _chosen(numbers, reason, since, everything)

    async def work(reach: Reach, stopping: asyncio.Event) -> _Tally:
        desk = await _full_desk(reach)
        tally = _Tally()
        batches = await _gathered(desk, selection, tally)
        if dry_run:
            await _rehearse(reach, desk, batches, tally, stopping)
        else:
            await _replay(reach, desk, batches, tally, stopping)
        return tally

    tally = working(config, work, patient=True)
    done = "would be published again" if dry_run else "published again"
    typer.echo(f"{_counted(tally.good, 'message')} {done}{tally.rest()}.")
    if tally.stopped:
        raise typer.Exit(130)
    if tally.bad or tally.missing:
        raise typer.Exit(1)


@dlq.command()
def drop(
    numbers: NumbersArgument = None,
    reason: ReasonOption = None,
    everything: EverythingOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Remove dead letters for good: their messages are gone unless the stream still holds them.

    Examples:

        pagerduty-subscriber dlq drop 17

        pagerduty-subscriber dlq drop --reason not-json --yes
    """
    from subscriber.cli.confirm import confirmed  # noqa: PLC0415
    from subscriber.cli.reach import working  # noqa: PLC0415
    from subscriber.cli.table import Progress  # noqa: PLC0415

    selection = _chosen(numbers, reason, None, everything)

    async def find(reach: Reach, _stopping: asyncio.Event) -> list[int]:
        return [letter.number async for letter in _desk(reach).select(selection)]

    async def work(reach: Reach, stopping: asyncio.Event) -> int:
        letters = reach.dead_letters()
        with Progress("letters dropped") as progress:
            for done, number in enumerate(found):
                if stopping.is_set():
                    return done
                await letters.remove(number)
                progress.count(done + 1, len(found))
        return len(found)

    found = working(config, find)
    if found:
        confirmed(f"Drop {_counted(len(found), 'dead letter')} for good?", yes=yes)
    dropped = working(config, work, patient=True) if found else 0
    typer.echo(f"{_counted(dropped, 'dead letter')} dropped.")
    missing = [number for number in selection.numbers if number not in found]
    if missing:
        typer.echo(f"there is no dead letter {', '.join(map(str, missing))}", err=True)
    if dropped < len(found):
        raise typer.Exit(130)
    if missing:
        raise typer.Exit(1)


# -- which letters ------------------------------------------------------------------------------


def _selection(numbers: tuple[int, ...], reason: str | None, since: float | None) -> Selection:
    from subscriber.config import nearest  # noqa: PLC0415
    from subscriber.model import Reason  # noqa: PLC0415
    from subscriber.service.replay import Selection  # noqa: PLC0415

    known = None
    if reason is not None:
        try:
            known = Reason(reason.strip().lower())
        except ValueError:
            names = [one.value for one in Reason]
            hint = nearest(reason, names) or "see REASON in `dlq list`"
            raise typer.BadParameter(f"{reason[:60]!a} is not a reason; {hint}") from None
    return Selection(
        numbers=numbers, reason=known, since=None if since is None else time.time() - since
    )


def _chosen(
    numbers: list[int] | None, reason: str | None, since: float | None, everything: bool
) -> Selection:
    """What a verb that changes something was asked to change; it must be said."""
    conditions = reason is not None or since is not None
    if (bool(numbers) + conditions + everything) != 1:
        raise typer.BadParameter(
            "say which letters: their numbers, or conditions (--reason, --since), or --all"
        )
    return _selection(tuple(numbers or ()), reason, since)


def _desk(reach: Reach) -> Desk:
    """Enough to read."""
    from subscriber.ports.memory import MemoryHistory  # noqa: PLC0415
    from subscriber.ports.nats.publish import NatsPublisher  # noqa: PLC0415
    from subscriber.service.replay import Desk  # noqa: PLC0415

    return Desk(
        letters=reach.dead_letters(),
        history=MemoryHistory(),
        publisher=NatsPublisher(reach.connection, stored_only=True),
        listening=reach.config.nats.subjects,
    )


async def _full_desk(reach: Reach) -> Desk:
    """Enough to replay: the streams are looked up."""
    desk = _desk(reach)
    history = await reach.history()
    if history is not None:
        desk.history = history
    return desk


@dataclass(slots=True)
class _Tally:
    """What became of the messages."""

    good: int = 0
    bad: int = 0
    missing: tuple[int, ...] = ()
    stopped: bool = False

    def rest(self) -> str:
        parts = []
        if self.bad:
            parts.append(f"; {_counted(self.bad, 'message')} refused, see above; kept")
        if self.missing:
            parts.append(f"; there is no dead letter {', '.join(map(str, self.missing))}")
        if self.stopped:
            parts.append("; interrupted, the rest is kept")
        return "".join(parts)


async def _gathered(desk: Desk, selection: Selection, tally: _Tally) -> list[Batch]:
    from subscriber.cli.table import Progress  # noqa: PLC0415
    from subscriber.service.replay import Batches  # noqa: PLC0415

    batches, seen = Batches(), set()
    with Progress("letters read") as progress:
        async for letter in desk.select(selection):
            batches.add(letter)
            seen.add(letter.number)
            progress.count(len(seen))
    tally.missing = tuple(number for number in selection.numbers if number not in seen)
    return batches.ordered()


async def _replay(
    reach: Reach, desk: Desk, batches: list[Batch], tally: _Tally, stopping: asyncio.Event
) -> None:
    from subscriber.cli.table import Progress, plain  # noqa: PLC0415

    with Progress("messages published") as progress:
        async for done in desk.replay(batches):
            numbers = ", ".join(map(str, done.numbers))
            if done.problem is None:
                tally.good += 1
                text = f"{numbers}  published on {done.letter.envelope.subject}, letter removed"
                if not progress.shown:
                    typer.echo(plain(text))
            else:
                tally.bad += 1
                progress.clear()
                refused = reach.redactor.clean(str(done.problem))
                typer.echo(plain(f"{numbers}  kept: {refused}"), err=True)
            progress.count(tally.good + tally.bad, len(batches))
            if stopping.is_set():
                tally.stopped = tally.good + tally.bad < len(batches)
                return


async def _rehearse(
    reach: Reach, desk: Desk, batches: list[Batch], tally: _Tally, stopping: asyncio.Event
) -> None:
    from subscriber.cli.letters import expectation  # noqa: PLC0415
    from subscriber.cli.table import facts, plain, width  # noqa: PLC0415
    from subscriber.model import Problem  # noqa: PLC0415

    rehearsal = await reach.rehearsal()
    for batch in batches:
        if stopping.is_set():
            tally.stopped = True
            return
        letter = await desk.read(batch.numbers[0])
        if letter is None:
            continue
        numbers = ", ".join(map(str, batch.numbers))
        try:
            message = await desk.ready(letter)
        except Problem as problem:
            tally.bad += 1
            refused = reach.redactor.clean(str(problem))
            typer.echo(plain(f"{numbers}  would be kept: {refused}"), err=True)
            continue
        tally.good += 1
        typer.echo(plain(f"{numbers}  to {message.subject}, {len(message.data)} bytes"))
        async for expected in rehearsal.expect(message):
            for line in facts([("   ", expectation(expected, reach.redactor))], width()):
                typer.echo(line)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
