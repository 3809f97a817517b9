"""`test`: the cases beside the rules, compared with what the rules say now."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from subscriber.service.casebook import Casebook, Place
    from subscriber.service.cases import Result

_POLL = 0.5
"""Seconds between two looks at the files."""


def run_cases(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="A folder with subscriber.yaml and `cases/<rule>/`, a folder of packs, one pack, "
            "or one rule of a pack. By default this folder.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="The configuration file; DIR is then the folder of its cases."
        ),
    ] = None,
    packs: Annotated[bool, typer.Option("--packs", help="Test the shipped rules.")] = False,
    rule: Annotated[
        str, typer.Option("--rule", metavar="GLOB", help="Only the cases of these rules.")
    ] = "*",
    update: Annotated[
        bool,
        typer.Option("--update", help="Write what the rules say now into the expected files."),
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results as JUnit XML too.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Run again whenever a file changes, until Ctrl-C.")
    ] = False,
) -> None:
    """Run the cases: events beside the rules with the exact requests they must give.

    A case is `cases/<rule name>/<case>.event.json` beside the configuration, with
    `<case>.expected.json`; `--update` writes the latter, for you to read and commit.
    Exit 1 when a case differs or cannot be run, 2 when the configuration is wrong.

    Examples:

        pagerduty-subscriber test

        pagerduty-subscriber test --rule 'approvals*' --update

        pagerduty-subscriber test deploy/ --junit results.xml

        pagerduty-subscriber test --packs --rule keptn/evaluation
    """
    from subscriber.cli.console import problems_end  # noqa: PLC0415
    from subscriber.service.casebook import CASES, find, shipped  # noqa: PLC0415

    if packs and (folder or config):
        raise typer.BadParameter("--packs tests the shipped rules: give no DIR and no --config")
    with problems_end():
        if packs:
            place = shipped()
        else:
            place = find(folder or (config.parent / CASES if config else Path()), config)
        if not watch:
            good = _once(place.read(), rule, update=update, junit=junit)
    if watch:
        _watch(place, rule, update=update, junit=junit)
    elif not good:
        raise typer.Exit(1)


def _watch(place: Place, pattern: str, *, update: bool, junit: Path | None) -> None:
    """Run again after each change, until the person stops it."""
    from subscriber.cli.console import complain  # noqa: PLC0415
    from subscriber.model import Problem  # noqa: PLC0415

    while True:
        seen = _fingerprint(place)
        try:
            _once(place.read(), pattern, update=update, junit=junit)
        except Problem as problem:
            complain(problem)
        if update:
            seen = _fingerprint(place)  # what we wrote ourselves is no change
        typer.echo(f"-- {time.strftime('%H:%M:%S')} watching; Ctrl-C stops it")
        while _fingerprint(place) == seen:
            time.sleep(_POLL)


def _fingerprint(place: Place) -> dict[Path, tuple[int, int]]:
    """Every file that counts, with its size and time of change."""
    found: dict[Path, tuple[int, int]] = {}
    for root in place.roots():
        for path in [root, *root.rglob("*")] if root.is_dir() else [root]:
            try:
                state = path.stat()
            except OSError:
                continue  # not there, or gone since
            if not path.is_dir():
                found[path] = (state.st_mtime_ns, state.st_size)
    return found


def _once(book: Casebook, pattern: str, *, update: bool, junit: Path | None) -> bool:
    """Run the cases and tell; whether all is well.

    Raises:
        Problem: the pattern fits no case.
    """
    from subscriber.service.cases import Ending  # noqa: PLC0415
    from subscriber.service.cases import update as write  # noqa: PLC0415

    results: list[Result] = []
    written = 0
    for case in book.chosen(pattern):
        result = book.bench.run(case)
        if update and result.ending is not Ending.PASSED and result.actual:
            verb = "changed" if case.expected_file.exists() else "new"
            if write(case, result.actual):
                typer.echo(f"{verb}: {case.expected_file}")
                written += 1
            result = book.bench.run(case)
        results.append(result)
        for line in _told(result):
            typer.echo(line)
    if junit is not None:
        from subscriber.cli.junit import write_junit  # noqa: PLC0415

        write_junit(
            junit,
            results,
            {
                result.case.label: "\n".join(difference(result))
                for result in results
                if result.ending is Ending.FAILED
            },
        )
    for line in _summary(book, results, written, asked_all=pattern == "*"):
        typer.echo(line)
    return all(result.ending is Ending.PASSED for result in results)


def _told(result: Result) -> Iterator[str]:
    """What a person must know about one case: nothing when it passed."""
    from subscriber.cli.table import plain  # noqa: PLC0415
    from subscriber.service.cases import Ending  # noqa: PLC0415

    if result.ending is Ending.PASSED:
        return
    yield f"{_styled(result.ending.value, 'red')}  {plain(result.case.label)}"
    if result.ending is Ending.BROKEN:
        for line in result.detail.splitlines():
            yield f"  {plain(line)}"
        return
    colours = {"-": "red", "+": "green", "@": "cyan"}
    for line in difference(result):
        yield f"  {_styled(plain(line), colours.get(line[:1], ''))}"


def difference(result: Result) -> Iterator[str]:
    """The lines of a unified diff from what is expected to what the rule says."""
    from difflib import unified_diff  # noqa: PLC0415

    file = result.case.expected_file
    lines = unified_diff(
        result.expected.splitlines(),
        result.actual.splitlines(),
        fromfile=str(file),
        tofile=f"what {result.case.rule} says now",
        lineterm="",
    )
    return iter(lines)


def _summary(
    book: Casebook, results: Sequence[Result], written: int, *, asked_all: bool
) -> Iterator[str]:
    from subscriber.service.cases import Ending  # noqa: PLC0415

    counts = {ending: sum(one.ending is ending for one in results) for ending in Ending}
    rules = len({result.case.rule for result in results})
    parts = [f"{counts[Ending.PASSED]} passed"]
    parts += [
        f"{counts[ending]} {ending}" for ending in (Ending.FAILED, Ending.BROKEN) if counts[ending]
    ]
    bad = counts[Ending.FAILED] + counts[Ending.BROKEN]
    cases = f"{len(results)} case{'' if len(results) == 1 else 's'}"
    line = f"{cases} of {rules} rule{'' if rules == 1 else 's'}: {', '.join(parts)}"
    if written:
        line += f"; {written} expected file{'' if written == 1 else 's'} written, read them"
    yield _styled(line, "red" if bad else "green")
    if counts[Ending.FAILED]:
        yield "When the change is meant: --update, and read the difference before you commit it."
    untold = book.without_cases() if asked_all else []
    if untold:
        yield f"Rules without a case: {', '.join(untold)}"


def _styled(text: str, colour: str) -> str:
    from subscriber.cli.console import coloured  # noqa: PLC0415

    return typer.style(text, fg=colour) if colour and coloured() else text
