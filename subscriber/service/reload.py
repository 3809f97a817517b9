"""Hot reload: the configuration on disk is watched, checked completely, and swapped whole.

Rules: files are looked at every few seconds by what they resolve to, so that the symlink swap of a
mounted Kubernetes ConfigMap or Secret is seen, and so is a rotated key. A configuration with a
fault changes nothing: the old one goes on, the log says so loudly, health and metrics show it until
it is mended; it is tried again now and then, because what it lacked may come without a change of
what is watched (a key's file that Kubernetes mounts a minute later). What is remembered of a file
is its state before it was read: a change in between is a change. What only a restart can change is
named, and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import structlog

from subscriber.config import Config, ConfigError
from subscriber.model import Problem, Reason
from subscriber.ports.interfaces import Clock
from subscriber.service.app import Service, Setup
from subscriber.service.meters import Meters

EVERY = 2.0
"""Seconds between two looks at the files."""
_AGAIN = 15
"""So many looks after a rejection the same configuration is tried again."""

Signature: TypeAlias = dict[Path, tuple[int, int, int]]
"""File -> what tells two of its states apart."""

_FIXED = ("nats", "delivery", "http", "log")


def watched_files(config_file: Path, config: Config) -> tuple[Path, ...]:
    """The files that a configuration is made of: itself, bodies, routing keys."""
    folder = config_file.parent
    named = [rule.body_file for rule in config.rules if rule.body_file]
    named += [spec.routing_key_file for spec in config.services.values() if spec.routing_key_file]
    return (config_file, *(folder / name for name in dict.fromkeys(named)))


def signature(files: Iterable[Path]) -> Signature:
    """What tells two states of the files apart; a missing file has a state too."""
    found: dict[Path, tuple[int, int, int]] = {}
    for file in files:
        try:
            state = file.stat()
            found[file] = (state.st_ino, state.st_size, state.st_mtime_ns)
        except OSError:
            found[file] = (0, 0, 0)
    return found


@dataclass(kw_only=True)
class Reload:
    """Watches the files of one running service.

    Attributes:
        load: reads and checks everything anew; raises Problem.
        files: which files a configuration is made of.
        service: what runs.
        config: what it runs by.
        seen: the files' states before `config` was read; left out: what they are now.
        accepted: told of every setup that was switched to (to learn its secrets).
    """

    load: Callable[[], Setup]
    files: Callable[[Config], tuple[Path, ...]]
    service: Service
    config: Config
    meters: Meters
    clock: Clock
    seen: Signature | None = None
    accepted: Callable[[Setup], None] = lambda setup: None

    def __post_init__(self) -> None:
        self._log = structlog.get_logger("config")
        self._seen = signature(self.files(self.config)) if self.seen is None else self.seen
        self._faults: tuple[str, ...] = ()
        self._looks = 0

    async def run(self) -> None:
        """Look, wait, look again; until cancelled."""
        while True:
            await self.clock.sleep(EVERY)
            self.look()

    def look(self) -> bool:
        """Look once; whether another configuration runs now."""
        now = signature(self.files(self.config))
        self._looks += 1
        again = bool(self._faults) and self._looks % _AGAIN == 0
        if now == self._seen and not again:
            return False
        if now != self._seen:
            self._faults, self._looks = (), 0
        self._seen = now
        try:
            setup = self.load()
        except Problem as problem:
            self._reject(problem)
            return False
        except Exception:  # a bug of ours in reading must not end a service that delivers
            self._log.exception("config-unreadable", reason=Reason.INTERNAL_ERROR.value)
            self._reject(Problem(Reason.INTERNAL_ERROR, "an unexpected error, see the log"))
            return False
        self._warn_of_fixed(setup.config)
        self.service.switch(setup)
        self.service.config_fault = ""
        self._faults = ()
        self.accepted(setup)
        self.config = setup.config
        files = self.files(self.config)
        self._seen = signature(files) | {file: now[file] for file in files if file in now}
        self.meters.config_accepted()
        rules = [rule.name for rule in setup.rules.rules]
        self._log.info("config-accepted", rules=rules, services=list(setup.accounts))
        return True

    def _reject(self, problem: Problem) -> None:
        faults = problem.problems if isinstance(problem, ConfigError) else (problem,)
        texts = tuple(str(fault) for fault in faults)
        if texts == self._faults:
            return  # tried again, and nothing new
        self._faults = texts
        self.service.config_fault = f"rejected, the old one goes on: {faults[0]}"
        self.meters.config_rejected()
        for fault in faults:
            self._log.error(
                "config-rejected",
                reason=fault.reason.value,
                where=fault.where,
                message=fault.message,
                hint=fault.hint,
            )

    def _warn_of_fixed(self, new: Config) -> None:
        changed = [name for name in _FIXED if getattr(new, name) != getattr(self.config, name)]
        if new.pagerduty.timeout != self.config.pagerduty.timeout:
            changed.append("pagerduty.timeout")
        if changed:
            self._log.warning(
                "config-needs-restart",
                message=f"changed, but only a restart takes it: {', '.join(changed)}",
            )
