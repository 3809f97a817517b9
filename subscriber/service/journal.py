"""The log: structlog set up once, one line per outcome, secrets removed at the processor.

Rules: standard error only; JSON lines off a terminal; the log event *is* the outcome's kind and its
`reason` the shared vocabulary. Every value registered as a secret, credentials inside of a URL, and
what stands in a field named like a secret are masked, whatever value they are in. A line is a line:
nothing from outside can begin another one, or move a terminal's cursor.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from typing import Any, Literal, TextIO, cast
from urllib.parse import quote

import structlog
from structlog.typing import Processor

from subscriber.delivery import origin_of
from subscriber.model import OutcomeKind
from subscriber.service.report import Report

_LEVELS = {
    OutcomeKind.DELIVERED: logging.INFO,
    OutcomeKind.SKIPPED: logging.DEBUG,
    OutcomeKind.SUPERSEDED: logging.INFO,
    OutcomeKind.SUPPRESSED_STALE: logging.WARNING,
    OutcomeKind.DEAD_LETTERED: logging.ERROR,
    OutcomeKind.DEFERRED: logging.WARNING,
}
_MASK = "********"
_SHORTEST = 6
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_NAMES = frozenset({"routing_key", "password", "token", "secret", "seed", "authorization"})


class Redactor:
    """A structlog processor that masks secrets in every value, however deep."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._pattern = re.compile("")
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """From now on also mask these texts; very short ones would mask half the log."""
        for text in secrets:
            # as it is, as it stands in a URL, and as it stands in JSON or a repr
            for form in (text, quote(text, safe=""), json.dumps(text)[1:-1]):
                if len(form) >= _SHORTEST:
                    self._known.add(form)
        # the longest first: one secret may begin with another
        ordered = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered)))

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Mask one log line."""
        for name, value in event.items():
            if name in _NAMES and value:
                event[name] = _MASK
            elif type(value) is not int and type(value) is not float:
                event[name] = self.clean(value)
        return event

    def clean(self, value: Any) -> Any:
        """The value without secrets."""
        if isinstance(value, str):
            # Looking for plain texts first costs a tenth of the patterns, which seldom match.
            if "://" in value:
                value = _CREDENTIALS_IN_URL.sub(f"{_MASK}@", value)
            for text in self._known:
                if text in value:
                    return self._pattern.sub(_MASK, value)
            return value
        if isinstance(value, dict):
            return {
                self.clean(key): _MASK if key in _NAMES and item else self.clean(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.clean(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.clean(repr(value))


_json_text = json.JSONEncoder(ensure_ascii=False, default=repr).encode


def _safe_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """One line of JSON; what a terminal would act on is escaped, `cat` must be safe."""
    line = _json_text(event)
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else _json_escape(c) for c in line)


def _json_escape(character: str) -> str:
    # json leaves DEL alone, which is ASCII
    escaped = json.dumps(character)[1:-1]
    return escaped if escaped != character else f"\\u{ord(character):04x}"


def _safe_trace(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep the lines of a trace apart from those of the log: they quote what came from outside."""
    trace = event.get("exception")
    if isinstance(trace, str):
        event["exception"] = "\n".join(
            "    | " + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
            for line in trace.splitlines()
        )
    return event


def set_up(
    *,
    style: Literal["auto", "json", "text"] = "auto",
    level: str = "info",
    redactor: Redactor | None = None,
    stream: TextIO | None = None,
) -> None:
    """Configure structlog for the whole process."""
    out = sys.stderr if stream is None else stream
    text = style == "text" or (style == "auto" and out.isatty())
    last: tuple[Processor, ...] = (
        (_safe_trace, structlog.dev.ConsoleRenderer(colors=out.isatty())) if text else (_safe_json,)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redactor or Redactor(),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Lasting(out))),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, _Libraries)]
    root.addHandler(_Libraries(logging.WARNING))


class _Lasting:
    """A file that takes every line, also when its reader has gone or its disk is full.

    What cannot be written is dropped: a log that fails must not keep a page from going out.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Have it written now."""
        with suppress(OSError, ValueError):
            self._file.flush()


class _Libraries(logging.Handler):
    """Brings what libraries log through the standard library into our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as one line, secrets masked like everywhere."""
        structlog.get_logger("library").log(
            record.levelno,
            "library",
            library=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info,
        )


class Journal:
    """The observer that writes one line per outcome."""

    def __init__(self) -> None:
        # Bound once: what `get_logger` returns is set up anew for every line.
        self._log = structlog.get_logger("outcome").bind()

    def minds_skipped(self) -> bool:
        """Skipped events, and a backlog's superseded ones, are written at ``debug`` only."""
        return bool(self._log.is_enabled_for(_LEVELS[OutcomeKind.SKIPPED]))

    def note(self, report: Report) -> None:
        """Write the line, if anybody reads lines of its level."""
        outcome = report.outcome
        level = logging.DEBUG if report.held_back else _LEVELS[outcome.kind]
        if not self._log.is_enabled_for(level):
            return
        intent, event, envelope = outcome.intent, report.event, report.envelope
        fields: dict[str, Any] = {"reason": outcome.reason.value}
        if event is not None:
            context = event.extensions.get("shkeptncontext")
            fields.update(event_id=event.id, event_type=event.type, keptn_context=context or None)
        else:
            fields.update(subject=envelope.subject)
        if envelope.stream:
            fields.update(stream=envelope.stream, sequence=envelope.sequence)
        if envelope.delivery_count > 1:
            fields.update(delivery=envelope.delivery_count)
        origin = origin_of(envelope)
        if origin.sequence != envelope.sequence:
            fields.update(replay_of=origin.sequence)
        fields.update(trace_id=report.trace_id or None, rule=report.rule or None)
        if intent is not None:
            fields.update(
                action=intent.action.value,
                service=intent.service,
                dedup_key=intent.dedup_key or None,
                notes=list(intent.notes) or None,
            )
        fields.update(
            status=outcome.status or None,
            attempts=outcome.attempts or None,
            retry_in=round(outcome.delay, 3) or None,
            message=outcome.message or None,
            errors=list(outcome.errors) or None,
            duration_seconds=round(report.seconds, 4),
        )
        lines = {name: value for name, value in fields.items() if value is not None}
        self._log.log(level, outcome.kind.value, **lines)
