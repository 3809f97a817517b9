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

import msgspec
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
_PLAIN = frozenset({str, int, float, bool, type(None)})
_FIELDS = "_fields"

_json_text = json.JSONEncoder(ensure_ascii=False, default=repr).encode
_quick_json = msgspec.json.Encoder().encode


class Redactor:
    """A structlog processor that masks secrets in every value, however deep."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._in_json: tuple[str, ...] = ()
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
        self._in_json = tuple({_json_text(text)[1:-1] for text in ordered})

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

    def finds_nothing(self, event: MutableMapping[str, Any], line: str) -> bool:
        """Whether a line of plain values, written as JSON, certainly has nothing to mask."""
        return (
            "://" not in line
            and _NAMES.isdisjoint(event)
            and not any(map(line.__contains__, self._in_json))
        )

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


def _unfolded(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The processor that takes a line's fields out of the one that carries them all.

    As arguments of their own they would be copied four times on their way: 3 us of CPU time.
    """
    fields = event.pop(_FIELDS, None)
    if fields is None:
        return event
    fields.update(event)
    return cast(MutableMapping[str, Any], fields)


class _JsonLines:
    """The last processor: one line of JSON, secrets masked.

    What a terminal would act on is escaped, `cat` must be safe. A line of plain values is written
    first and looked through as a whole, 2 us of CPU time; value by value and with the standard
    library's encoder it takes 8.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        if _PLAIN.issuperset(map(type, event.values())):
            try:
                line = msgspec.json.format(_quick_json(event), indent=0).decode()
            except (ValueError, OverflowError):  # half a surrogate pair, a very large number
                pass
            else:
                if _is_harmless(line) and self._redactor.finds_nothing(event, line):
                    return line
        line = _json_text(self._redactor(logger, method, event))
        if _is_harmless(line):
            return line
        return "".join(c if c.isprintable() else _json_escape(c) for c in line)


def _is_harmless(line: str) -> bool:
    """Whether a terminal only shows it; of JSON in ASCII all but DEL is escaped already."""
    return "\x7f" not in line if line.isascii() else line.isprintable()


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
    masks = redactor or Redactor()
    last: tuple[Processor, ...] = (
        (masks, _safe_trace, structlog.dev.ConsoleRenderer(colors=out.isatty()))
        if text
        else (_JsonLines(masks),)
    )
    structlog.configure(
        processors=[
            _unfolded,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
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
        try:
            return self._file.write(text)
        except (OSError, ValueError):
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
        fields: dict[str, Any] = {"reason": outcome.reason.value}
        _say_where(fields, report)
        intent = outcome.intent
        if intent is not None:
            fields["action"] = intent.action.value
            fields["service"] = intent.service
            if intent.dedup_key:
                fields["dedup_key"] = intent.dedup_key
            if intent.notes:
                fields["notes"] = list(intent.notes)
        if outcome.status:
            fields["status"] = outcome.status
        if outcome.attempts:
            fields["attempts"] = outcome.attempts
        if outcome.delay and (retry_in := round(outcome.delay, 3)):
            fields["retry_in"] = retry_in
        if outcome.message:
            fields["message"] = outcome.message
        if outcome.errors:
            fields["errors"] = list(outcome.errors)
        fields["duration_seconds"] = round(report.seconds, 4)
        self._log.log(level, outcome.kind.value, **{_FIELDS: fields})


def _say_where(fields: dict[str, Any], report: Report) -> None:
    """What the message was, and who asked."""
    event, envelope = report.event, report.envelope
    if event is not None:
        fields["event_id"] = event.id
        fields["event_type"] = event.type
        context = event.extensions.get("shkeptncontext")
        if context:
            fields["keptn_context"] = context
    else:
        fields["subject"] = envelope.subject
    if envelope.stream:
        fields["stream"] = envelope.stream
        fields["sequence"] = envelope.sequence
    if envelope.delivery_count > 1:
        fields["delivery"] = envelope.delivery_count
    if envelope.headers and (origin := origin_of(envelope)).sequence != envelope.sequence:
        fields["replay_of"] = origin.sequence
    if report.trace_id:
        fields["trace_id"] = report.trace_id
    if report.rule:
        fields["rule"] = report.rule
