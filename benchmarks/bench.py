"""The benchmark suite: `python benchmarks/bench.py --help`, or `make bench`."""

from __future__ import annotations

import argparse
import asyncio
import compileall
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchsuite.contestants import CEILING, EVERYBODY, OURS, free_of_secrets, present
from benchsuite.install import install
from benchsuite.machine import header
from benchsuite.measures import MEASURES
from benchsuite.measures.plan import SMOKE, Bench, Sizes
from benchsuite.processes import Broken
from benchsuite.report import render

HERE = Path(__file__).resolve().parent
RESULTS, REASONS = HERE / "RESULTS.json", HERE / "reasons.json"

FORMAT = 3
"""Of RESULTS.json; results in another one are measured anew, not guessed at."""

EXAMPLES = """
examples:
  make bench                                   everything, 5 rounds, about 20 minutes on two cores
  make bench ONLY=act ROUNDS=9                 one benchmark; the others' results stay as they are
  make bench WHO=ours,ceiling ONLY=filter,act  few contestants (and no peers' columns then)
  make bench-peers                             install the peers into benchmarks/.peers
  make bench-smoke                             every benchmark with tiny counts; writes nothing
  python benchmarks/bench.py run --only act --rounds 1 --out /tmp/try   results into another folder
  python benchmarks/bench.py render            RESULTS.md again, from RESULTS.json and reasons.json

exit status: 0 done, 1 a run did not do its work (a broken harness, or a contestant), 130 Ctrl-C
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command."""
    given = _parser().parse_args(arguments)
    for stop in (signal.SIGINT, signal.SIGTERM):  # also when started in the background
        signal.signal(stop, signal.default_int_handler)
    free_of_secrets()
    try:
        return int(given.command(given))
    except Broken as error:
        print(f"\nBROKEN: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; every process has been ended", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench.py",
        description="Measure pagerduty-subscriber beside its peers; see benchmarks/README.md.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="measure, and write RESULTS.json and RESULTS.md")
    run.add_argument(
        "--only", type=_names(MEASURES), default=list(MEASURES), help=f"of {', '.join(MEASURES)}"
    )
    run.add_argument(
        "--who", type=_names(EVERYBODY), default=list(EVERYBODY), help=f"of {', '.join(EVERYBODY)}"
    )
    run.add_argument("--rounds", type=int, default=Sizes().rounds, help="default %(default)s")
    run.add_argument("--out", type=Path, default=HERE, help="folder; default: this one")
    run.set_defaults(command=_run)
    smoke = commands.add_parser("smoke", help="every benchmark, tiny: fails on a broken harness")
    smoke.set_defaults(command=_smoke)
    peers = commands.add_parser("peers", help="install the peers into benchmarks/.peers")
    peers.set_defaults(command=lambda given: install() and 0)
    again = commands.add_parser("render", help="write RESULTS.md again")
    again.set_defaults(command=_render)
    return parser


def _names(known: Any) -> Any:
    def read(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise argparse.ArgumentTypeError(
                f"{', '.join(unknown) or 'nothing'}: choose from {', '.join(known)}"
            )
        return names

    return read


def _run(given: argparse.Namespace) -> int:
    if given.rounds < 1:
        raise Broken("--rounds: at least 1")
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / RESULTS.name
    results = _known(file)
    sizes = replace(Sizes(), rounds=given.rounds)
    for name, section in _measure(given.only, given.who, sizes):
        results["machine"] = section["header"]
        results["sections"][name] = section
        # After each part: what was measured survives a later trouble.
        file.write_text(json.dumps(results, indent=1) + "\n")
        _write(results, given.out)
    print(f"written: {given.out / 'RESULTS.md'}", file=sys.stderr)
    return 0


def _known(file: Path) -> dict[str, Any]:
    """What was measured before; nothing when there is none, or in another format."""
    nothing: dict[str, Any] = {"format": FORMAT, "sections": {}}
    if not file.exists():
        return nothing
    results: dict[str, Any] = json.loads(file.read_text())
    if results.get("format") == FORMAT:
        return results
    print(f"{file.name} is of another format and is begun anew", file=sys.stderr)
    return nothing


def _measure(only: Sequence[str], names: Sequence[str], sizes: Sizes) -> Any:
    if OURS not in names:
        names = [OURS, *names]
    who, absent = present(list(names))
    for name, reason in absent.items():
        print(f"SKIPPED: {name}: {reason}", file=sys.stderr)
    compileall.compile_dir(HERE.parent / "subscriber", quiet=2)  # as pip does when it installs
    facts = header(who)
    bench = Bench(sizes=sizes, who=who)
    if facts["shared_core"]:
        bench.tell("ONLY ONE CORE: servers and program share it")
    for name in only:
        bench.tell(f"-- {name}: {sizes.rounds} rounds")
        data = asyncio.run(MEASURES[name](bench))
        yield name, {"header": facts, "skipped": absent, "data": data}


def _smoke(_given: argparse.Namespace) -> int:
    """Ourselves, the ceiling and what runs on our own dependencies; the page is made, not kept."""
    names = [OURS, CEILING, "callback", "fetch"]
    sections = dict(_measure(list(MEASURES), names, SMOKE))
    machine = next(iter(sections.values()))["header"]
    page = render({"machine": machine, "sections": sections}, {})
    lacking = [line for line in page.splitlines() if "not measured" in line.lower()]
    lacking = [line for line in lacking if "FastStream" not in line]  # not one of those here
    if lacking:
        raise Broken("the page lacks something:\n" + "\n".join(lacking))
    print("smoke: every benchmark runs, its work is proven, its page is made", file=sys.stderr)
    return 0


def _render(_given: argparse.Namespace) -> int:
    results = _known(RESULTS)
    if "machine" not in results:
        raise Broken("there are no results yet: make bench")
    _write(results, HERE)
    return 0


def _write(results: dict[str, Any], folder: Path) -> None:
    reasons = json.loads(REASONS.read_text()) if REASONS.exists() else {}
    (folder / "RESULTS.md").write_text(render(results, reasons))


if __name__ == "__main__":
    sys.exit(main())
