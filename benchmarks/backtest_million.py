"""How long a backtest of a full stream takes, and how much memory.

    python benchmarks/backtest_million.py [--events 1000000] [--all]

Starts a nats-server of its own, fills a stream called `keptn` with deliveries of 400 services over
the last seven days (16 events each, of which the shipped rules ask for four; 5 % fail; with --all
only those four), runs `backtest` as a process and prints its result, its time and its peak memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from subscriber.ports.embedded import EmbeddedNats
from subscriber.ports.nats.connect import NatsConnection
from subscriber.ports.nats.options import NatsOptions
from subscriber.service.samples import choose, fresh

WEEK = 7 * 86_400.0
SILENT = (
    *(
        f"sh.keptn.event.{task}.{state}"
        for task in ("deployment", "test", "evaluation", "release", "get-sli")
        for state in ("triggered", "started")
    ),
    "sh.keptn.event.get-sli.finished",
    "sh.keptn.event.production.delivery.triggered",
)
TASKS = ("deployment", "test", "evaluation", "release")


def deliveries(count: int, *, everything: bool) -> Iterator[tuple[str, bytes]]:
    """So many events, in the order of their times."""
    choice = random.Random(1)
    cases = {
        (task, result): fresh(choose(f"keptn/{task}/{result}").case)
        for task in TASKS
        for result in ("pass", "fail")
    }
    plain = fresh(choose("keptn/evaluation/pass").case)[1]
    plain = re.sub(rb'"data": .*', b'"data": {"service": "checkout"}}', plain, flags=re.DOTALL)
    silent = () if everything else SILENT
    each = len(silent) + len(TASKS)
    number, begun = 0, time.time() - WEEK + 60
    while number < count:
        service = f'"service{choice.randrange(400)}"'.encode()
        result = "fail" if choice.random() < 0.05 else "pass"
        moment = begun + WEEK * number / count
        group = [
            (name, plain.replace(b"sh.keptn.event.evaluation.finished", name.encode()))
            for name in silent
        ] + [cases[task, result] for task in TASKS]
        for place, (subject, case) in enumerate(group[: min(each, count - number)]):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment + place)).encode()
            named = case.replace(b'"checkout"', service)
            data = re.sub(rb'"id": "[^"]*"', b'"id": "e%d"' % number, named, count=1)
            yield subject, re.sub(rb'"time": "[^"]*"', b'"time": "' + at + b'"', data, count=1)
            number += 1


async def fill(url: str, count: int, *, everything: bool) -> None:
    """Publish, and wait until the stream holds all of it."""
    async with NatsConnection(NatsOptions(servers=(url,))) as connection:
        await connection.api("STREAM.CREATE.keptn", {"name": "keptn", "subjects": ["sh.keptn.>"]})
        for number, (subject, data) in enumerate(deliveries(count, everything=everything), 1):
            await connection.publish(subject, data)
            if number % 2000 == 0 or number == count:
                held = 0
                while held < number:  # no faster than the stream takes it
                    await connection.ping()
                    held = (await connection.api("STREAM.INFO.keptn"))["state"]["messages"]


def main() -> None:
    """Fill, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--all", action="store_true", help="only events that a rule asks for")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedNats(Path(folder))
        asyncio.run(server.start())
        try:
            begun = time.monotonic()
            asyncio.run(fill(server.url, given.events, everything=given.all))
            print(f"{given.events:,} events stored in {time.monotonic() - begun:.0f} s\n")
            process = subprocess.Popen(
                [sys.executable, "-m", "subscriber", "backtest", "--since", "8d", "--show", "2"],
                env={**os.environ, "NATS_URL": server.url},
                cwd=folder,
            )
            _, code, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(code)
        finally:
            asyncio.run(server.stop())
    spent = used.ru_utime + used.ru_stime
    print(f"\n{spent:.0f} s of processor time, at most {used.ru_maxrss / 1024:.0f} MB")
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
