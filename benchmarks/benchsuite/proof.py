"""Whether a run did its work: what the sink heard against what had to be said.

Pure. Every failure is `Broken` with numbers in it; there is no figure without a proof.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchsuite.events import Said, Spec, expected, heard, wordless
from benchsuite.processes import Broken

Heard = Sequence[tuple[float, bytes]]


def understood(posts: Heard) -> list[tuple[float, Said]]:
    """The POSTs as what they say.

    Raises:
        Broken: one is not what PagerDuty takes.
    """
    found = []
    for at, body in posts:
        try:
            found.append((at, heard(body)))
        except (ValueError, KeyError, TypeError) as error:
            raise Broken(f"a POST is none of ours ({error!r}): {body[:300]!r}") from error
    return found


def each_said(posts: Heard, specs: Iterable[Spec]) -> int:
    """Every event was said, with the right words, and nothing else.

    Returns:
        how many POSTs said something again.

    Raises:
        Broken: words are missing or foreign.
    """
    counted = Counter(said for _, said in understood(posts))
    wanted = {expected(spec) for spec in specs}
    _compare(set(counted), wanted)
    return sum(counted.values()) - len(wanted)


def last_said(posts: Heard, wanted: Mapping[str, Said]) -> tuple[float, int]:
    """When the last POST came, and how many keys were left with words that are not the right ones.

    Who sends several POSTs of a key at a time may leave an older one as the last.

    Raises:
        Broken: nothing was said of a key, or something of a foreign one.
    """
    last: dict[str, tuple[float, Said]] = {}
    for at, said in understood(posts):
        last[said.dedup_key] = (at, wordless(said))
    _compare(set(last), set(wanted))
    wrong = sum(said != wanted[key] for key, (_, said) in last.items())
    return max(at for at, _ in last.values()), wrong


def keys_said(posts: Iterable[str], wanted: set[str]) -> int:
    """Every key was heard of (contestants that choose their own words); returns the repetitions.

    Raises:
        Broken: keys are missing or foreign.
    """
    counted = Counter(posts)
    _compare(set(counted), wanted)
    return sum(counted.values()) - len(wanted)


def _compare(found: set[Any], wanted: set[Any]) -> None:
    missing, foreign = wanted - found, found - wanted
    if missing or foreign:
        lines = [f"{len(missing)} of {len(wanted)} were not said, {len(foreign)} are foreign"]
        lines += [f"  missing: {one}" for one in list(missing)[:1]]
        lines += [f"  foreign: {one}" for one in list(foreign)[:1]]
        raise Broken("\n".join(lines))
