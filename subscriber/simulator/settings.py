"""Settings: how strict, how fast and how kind the stand-in is; valid at birth.

The same names are options of `pagerduty-subscriber simulate` and members of PUT /sim/config.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from subscriber.model import Problem, Reason, excerpt
from subscriber.simulator.faults import Fault

SIZE_LIMIT = 512_000
"""PagerDuty says "512 KB"; other notifiers read that as 512 000 bytes, `524_288` is the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """What one stand-in is told at birth and by PUT /sim/config.

    Attributes:
        known_keys: routing keys somebody owns; None: every well-formed key.
        rate_limit: calls per routing key and window; None for no limit.
        rate_window: its length in seconds.
        rate_headers: send Retry-After and ratelimit-* with our own 429 (faults have their own).
        size_limit: largest body in bytes.
        oversize_status: status for a larger one, 400 or 413 (the real one is not documented).
        delay: seconds between the 202 and its effect on the alerts; 0: at once.
        faults: switches that are on from the start.
        seed: of the dice of the faults and of made-up dedup keys.
        keep: how many alerts, calls and changes the views hold, each; older ones are only counted.
        keep_bytes: how many bytes of request bodies the views hold.
    """

    known_keys: frozenset[str] | None = field(default=None, repr=False)
    rate_limit: int | None = 120
    rate_window: float = 60.0
    rate_headers: bool = False
    size_limit: int = SIZE_LIMIT
    oversize_status: int = 400
    delay: float = 0.0
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    keep: int = 10_000
    keep_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        for key in self.known_keys or ():
            # Never quoted: a mistyped key is still most of a key.
            if not re.fullmatch("[A-Za-z0-9]{32}", key):
                raise _problem("known_keys", "a routing key has 32 letters and digits")
        _whole("rate_limit", self.rate_limit, 0, 1_000_000, optional=True)
        _number("rate_window", self.rate_window, 0.001, 86_400)
        _flag("rate_headers", self.rate_headers)
        _whole("size_limit", self.size_limit, 1, 16 * 1024 * 1024)
        _whole("oversize_status", self.oversize_status, 400, 413)
        if self.oversize_status not in (400, 413):
            raise _problem("oversize_status", "400 or 413", self.oversize_status)
        _number("delay", self.delay, 0, 3600)
        _whole("seed", self.seed, 0, 2**63)
        _whole("keep", self.keep, 1, 1_000_000)
        _whole("keep_bytes", self.keep_bytes, 0, 2**40)


# Faults have a view of their own; what is kept is decided once.
ADJUSTABLE = tuple(
    each.name
    for each in fields(SimulatorConfig)
    if each.name not in ("faults", "keep", "keep_bytes", "seed")
)


def adjusted(config: SimulatorConfig, changes: Mapping[str, object]) -> SimulatorConfig:
    """The settings with the members of a JSON object changed; `ADJUSTABLE` names may occur.

    Raises:
        Problem: an unknown name or a value that does not fit.
    """
    values = dict(changes)
    for name in values:
        if name not in ADJUSTABLE:
            raise Problem(
                Reason.UNKNOWN_KEY,
                f"no setting {excerpt(name)}",
                hint="one of: " + ", ".join(ADJUSTABLE),
            )
    keys = values.get("known_keys")
    if keys is not None:
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise _problem("known_keys", "a list of routing keys, or null for any")
        values["known_keys"] = frozenset(keys)
    return replace(config, **values)  # type: ignore[arg-type]  # __post_init__ checks the types


def _whole(name: str, value: object, least: int, most: int, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if type(value) is not int or not least <= value <= most:
        allowed = f"a whole number from {least} to {most}"
        raise _problem(name, allowed + (", or null for none" if optional else ""), value)


def _number(name: str, value: object, least: float, most: float) -> None:
    # By exact type: a bool is an int to Python. NaN lies between nothing.
    if not (type(value) in (int, float) and least <= value <= most):  # type: ignore[operator]
        raise _problem(name, f"a number from {least:g} to {most:g}", value)


def _flag(name: str, value: object) -> None:
    if type(value) is not bool:
        raise _problem(name, "true or false", value)


def _problem(name: str, hint: str, value: object = None) -> Problem:
    what = "does not fit" if value is None else f"cannot be {excerpt(value)}"
    return Problem(Reason.INVALID_VALUE, what, where=name, hint=hint)
