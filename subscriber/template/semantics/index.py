"""index, slice and len: Go's indexing, which counts a text in bytes of UTF-8.

Rules: an index is an int (or a byte); beyond the end is an error; a missing key of a map is nil
whatever `missing` says, as in Go.
"""

from __future__ import annotations

from subscriber.template.semantics.limits import Run
from subscriber.template.semantics.values import (
    MISSING,
    Fault,
    Uint8,
    from_bytes,
    to_bytes,
    type_name,
)

_CHARACTERS_PER_STEP = 256


def length(offset: int, run: Run, value: object) -> int:
    """The builtin ``len``: items of a list or map, bytes of a text."""
    if isinstance(value, str):
        if value.isascii():
            return len(value)
        run.charge(len(value) // _CHARACTERS_PER_STEP)
        return len(to_bytes(value))
    if isinstance(value, list | dict):
        return len(value)
    raise Fault(f"len of {type_name(value)} is not known", offset, "len takes text, lists and maps")


def _number(offset: int, index: object, limit: int) -> int:
    if not isinstance(index, int) or isinstance(index, bool):
        raise Fault(f"a list or text cannot be indexed with {type_name(index)}", offset)
    if not 0 <= index <= limit:
        raise Fault(f"index {index} is out of range: there are {limit}", offset)
    return index


def index(offset: int, run: Run, item: object, *indexes: object) -> object:
    """The builtin ``index``: ``index x 1 "a"`` is x[1]["a"]."""
    if item is None or item is MISSING:
        raise Fault("index of nil", offset, "the value to look into is missing or null")
    for position, key in enumerate(indexes):
        if isinstance(item, dict):
            if not isinstance(key, str):
                raise Fault(f"a map cannot be indexed with {type_name(key)}", offset)
            item = item.get(key)
        elif isinstance(item, list):
            number = _number(offset, key, len(item))
            if number == len(item):
                raise Fault(f"index {number} is out of range: there are {number}", offset)
            item = item[number]
        elif isinstance(item, str):
            run.charge(len(item) // _CHARACTERS_PER_STEP)
            data = to_bytes(item)
            number = _number(offset, key, len(data))
            if number == len(data):
                raise Fault(f"index {number} is out of range: there are {number}", offset)
            item = Uint8(data[number])
        elif item is None:
            raise Fault(f"there is nothing to index with index {position + 1}", offset)
        else:
            raise Fault(f"{type_name(item)} cannot be indexed", offset)
    return item


def slice_(offset: int, run: Run, item: object, *indexes: object) -> object:
    """The builtin ``slice``: ``slice x 1 2`` is x[1:2]; a third index only limits the capacity."""
    if len(indexes) > 3:
        raise Fault("slice takes at most three indexes", offset)
    if isinstance(item, str):
        if len(indexes) == 3:
            raise Fault("a text is sliced with at most two indexes", offset)
        run.charge(len(item) // _CHARACTERS_PER_STEP)
        data = to_bytes(item)
        start, stop = _bounds(offset, indexes, len(data))
        return from_bytes(data[start:stop])
    if isinstance(item, list):
        start, stop = _bounds(offset, indexes, len(item))
        run.charge((stop - start) // _CHARACTERS_PER_STEP)
        return item[start:stop]
    raise Fault(f"{type_name(item)} cannot be sliced", offset)


def _bounds(offset: int, indexes: tuple[object, ...], size: int) -> tuple[int, int]:
    numbers = [_number(offset, index, size) for index in indexes]
    start, stop, *rest = numbers + [0, size][len(numbers) :]
    if start > stop or (rest and stop > rest[0]):
        raise Fault(f"the slice {':'.join(map(str, numbers))} runs backwards", offset)
    return start, stop
