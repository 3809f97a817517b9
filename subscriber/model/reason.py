"""The one vocabulary of the project: why something ended the way it did.

Rule: the value of a member *is* the log field, the metric label and the dead-letter header, so a
person who reads one of them can search for it in the other two. Values are kebab-case, stable, and
never built at run time (metric labels stay bounded).

This module does not know what is done about a reason; `delivery/` and `service/` decide that.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why an event, an intent or a file was handled the way it was."""

    # -- an event that cannot be read (cloudevent/) ------------------------------------------
    EMPTY_MESSAGE = "empty-message"
    TOO_LARGE = "too-large"
    NOT_JSON = "not-json"
    NOT_A_NUMBER = "not-a-number"
    DUPLICATE_KEY = "duplicate-key"
    TOO_DEEP = "too-deep"
    LONE_SURROGATE = "lone-surrogate"
    CONTROL_CHARACTER = "control-character"
    NOT_A_CLOUDEVENT = "not-a-cloudevent"
    MISSING_ATTRIBUTE = "missing-attribute"
    INVALID_ATTRIBUTE = "invalid-attribute"
    INVALID_TIME = "invalid-time"
    INVALID_ENCODING = "invalid-encoding"
    UNSUPPORTED_SPECVERSION = "unsupported-specversion"

    # -- a rule that does not apply, or cannot say what it wants (rules/) --------------------
    NO_RULE_MATCHED = "no-rule-matched"
    TYPE_DIFFERS = "type-differs"
    VALUE_DIFFERS = "value-differs"
    CONDITION_FALSE = "condition-false"
    ACTION_EMPTY = "action-empty"
    MATCHED = "matched"
    RENDER_FAILED = "render-failed"
    INVALID_ACTION = "invalid-action"
    INVALID_BODY = "invalid-body"
    UNKNOWN_SERVICE = "unknown-service"
    MISSING_DEDUP_KEY = "missing-dedup-key"

    # -- what PagerDuty said, or how the conversation ended (pagerduty/, delivery/) ----------
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    SERVER_ERROR = "server-error"
    TIMED_OUT = "timed-out"
    UNREACHABLE = "unreachable"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    NOT_OPEN = "not-open"
    ALREADY_RESOLVED = "already-resolved"
    STALE = "stale"
    BUSY = "busy"
    RATE_LIMITED = "rate-limited"
    EXPIRED = "expired"
    LEDGER_UNAVAILABLE = "ledger-unavailable"
    REPAIRED = "repaired"
    IN_DOUBT = "in-doubt"
    INTERNAL_ERROR = "internal-error"

    # -- a configuration that is refused (config/, template/) --------------------------------
    INVALID_YAML = "invalid-yaml"
    UNKNOWN_KEY = "unknown-key"
    INVALID_VALUE = "invalid-value"
    MISSING_FILE = "missing-file"
    MISSING_SECRET = "missing-secret"  # noqa: S105  a name
    UNKNOWN_RULE = "unknown-rule"
    TEMPLATE_SYNTAX = "template-syntax"
    TEMPLATE_EXECUTION = "template-execution"
    TEMPLATE_LIMIT = "template-limit"

    # -- a world that cannot be used as configured (ports/) ----------------------------------
    ACCESS_DENIED = "access-denied"
    TLS_FAILED = "tls-failed"
    STREAM_CONFLICT = "stream-conflict"
    MISSING_PROGRAM = "missing-program"
    PROGRAM_FAILED = "program-failed"
