"""What a command imports, so that starting stays cheap: structure, which no busy machine can blur.

The times that hang on it are in benchmarks/RESULTS.md (footprint).
"""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from subscriber.cli.verbs import VERBS, command_line

MODULES = "import json, sys; sys.stderr.write(json.dumps(sorted(sys.modules)))"
WORLD = {"nats", "httpx", "aiohttp", "starlette", "uvicorn", "uvloop"}
HEAVY = WORLD | {"pydantic", "jinja2", "ruamel", "structlog", "prometheus_client", "asyncio", "ssl"}


def imported(code: str) -> set[str]:
    """The modules that are there after some code ran in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{MODULES}"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "100"},
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def called(*arguments: str) -> set[str]:
    """The modules that a command leaves behind."""
    return imported(
        f"import sys\nsys.argv = ['pagerduty-subscriber', *{arguments!r}]\n"
        "from subscriber.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )


@pytest.fixture(scope="module")
def service() -> set[str]:
    """What `run` imports until it serves."""
    return imported(
        "import subscriber.cli.app, subscriber.cli.loop, subscriber.cli.stage, "
        "subscriber.cli.session, subscriber.service.journal, subscriber.service.meters"
    )


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_help_imports_nothing_of_the_service(arguments: tuple[str, ...]) -> None:
    found = called(*arguments)
    assert not found & HEAVY
    assert not {name for name in found if name.startswith("subscriber.service")}


@pytest.mark.parametrize("verb", ["run", "check", "dlq", "alerts", "simulate", "tail"])
def test_the_help_of_a_verb_imports_nothing_that_it_would_do(verb: str) -> None:
    found = called(verb, "--help")  # typer itself looks at pydantic here
    assert not found & (HEAVY - {"pydantic"})
    assert not {name for name in found if name.startswith("subscriber.service")}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_comes_without_the_others_and_looks_the_same(verb: str) -> None:
    alone, all_of_them = (
        CliRunner().invoke(command_line(verbs), [verb, "--help"]).output
        for verbs in ([verb], VERBS)
    )
    assert alone == all_of_them
    assert f"pagerduty-subscriber {verb} " in alone


def test_a_verb_that_is_called_is_imported_alone() -> None:
    found = called("functions", "--help")
    assert "subscriber.cli.functions" in found
    assert not found & {"subscriber.cli.run", "subscriber.cli.dlq", "subscriber.cli.alerts"}


def test_importing_the_command_line_imports_nothing() -> None:
    assert not imported("import subscriber.cli") & (HEAVY | {"typer", "rich"})


@pytest.mark.parametrize(
    "unwanted",
    [
        "subscriber.simulator",  # the stand-in: not for production, and absent from the image
        "subscriber.ports.embedded",
        "subscriber.cli.story",
        "rich.traceback",  # by structlog, for drawing tracebacks that are text already
        "pygments",
        "starlette",  # the simulator's
        "re2",  # only for a rule with a regular expression
        "cloudevents",  # the SDK writes; the service reads
        "dateutil",
        "opentelemetry",  # only with a collector named
        "hypothesis",
        "jsonschema",
    ],
)
def test_the_service_comes_without_what_it_does_not_use(service: set[str], unwanted: str) -> None:
    assert unwanted not in service


def test_httpx_comes_without_its_command_line() -> None:
    """It would bring rich, pygments and click; the import is refused, and httpx goes without."""
    code = "import sys, subscriber.ports.http; assert sys.modules['httpx._main'] is None"
    assert not imported(code) & {"rich", "pygments", "click"}


@pytest.mark.parametrize("door", ["subscriber.ports.http", "subscriber.ports.nats.connect"])
def test_aiohttp_comes_without_a_trust_store_of_its_own(door: str) -> None:
    """It costs time and memory, and ours is the one that counts; what is left trusts nobody."""
    code = (
        f"import ssl\nbefore = ssl.create_default_context\nimport {door}\n"
        "assert ssl.create_default_context is before\n"
        "from aiohttp import connector\n"
        "theirs = connector._SSL_CONTEXT_VERIFIED\n"
        "assert not theirs.get_ca_certs() and theirs.verify_mode is ssl.CERT_REQUIRED"
    )
    assert "aiohttp" in imported(code)


def test_the_service_does_have_what_it_needs(service: set[str]) -> None:
    """So that the tests above cannot pass because nothing was imported."""
    assert {"nats", "aiohttp", "structlog", "subscriber.service.app"} <= service
