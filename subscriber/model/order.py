"""Order: what puts an intent into its order, known before its body is."""

from __future__ import annotations

from typing import NamedTuple

from subscriber.model.alert import AlertKey
from subscriber.model.intent import Action, Position


class Order(NamedTuple):
    """The part of an intent that a backlog is read for.

    Attributes:
        action: trigger, acknowledge or resolve; change events have no order.
        key: whose alert it is about.
        position: its place among the events of that key.
    """

    action: Action
    key: AlertKey
    position: Position
