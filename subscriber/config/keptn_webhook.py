"""Keptn's `webhook/webhook.yaml`, read: which requests are sent for which events.

Rules: both versions are understood, v1alpha1 (curl command lines) and v1beta1 (url, method,
headers, payload, options). As in Keptn, `kind` is not looked at. What a request would not do, or
not be allowed to do in Keptn is not checked.

Pure; text in, values out. This module does not know PagerDuty; `webhook_rules` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from subscriber.config import curl
from subscriber.config.yaml import Document, Path, parse
from subscriber.model import Problem, Reason

_VERSIONS = ("webhookconfig.keptn.sh/v1alpha1", "webhookconfig.keptn.sh/v1beta1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A key of a Kubernetes secret."""

    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a webhook.

    Attributes:
        where: its place in the file.
        call: what is sent; None when it cannot be understood.
        fault: why it cannot.
    """

    where: str
    call: curl.Call | None
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One entry of `spec.webhooks`.

    Attributes:
        type: the event type it is for, perhaps with NATS wildcards.
        subscription: the id of Keptn's subscription.
        secrets: environment name -> secret, from `envFrom`.
        send_started, send_finished: whether Keptn would send these events for it.
    """

    where: str
    type: str
    subscription: str
    requests: tuple[Request, ...]
    secrets: Mapping[str, Secret]
    send_started: bool
    send_finished: bool


def load_webhooks(text: str, *, name: str) -> tuple[Webhook, ...]:
    """The webhooks of a file.

    Raises:
        Problem: it is not YAML, or not a webhook configuration of Keptn.
    """
    document = parse(text, name=name)
    root = document.value if isinstance(document.value, dict) else {}
    version = root.get("apiVersion")
    if version not in _VERSIONS:
        raise Problem(
            Reason.INVALID_VALUE,
            f"apiVersion is {version!r}, not one of Keptn's webhook configurations",
            where=document.where(("apiVersion",)),
            hint=f"known are {' and '.join(_VERSIONS)}",
        )
    spec = root.get("spec")
    listed = spec.get("webhooks") if isinstance(spec, dict) else None
    if not isinstance(listed, list) or not listed:
        raise Problem(
            Reason.INVALID_VALUE, "it holds no webhooks", where=document.where(("spec", "webhooks"))
        )
    return tuple(
        _webhook(one, document, ("spec", "webhooks", index)) for index, one in enumerate(listed)
    )


def _webhook(entry: Any, document: Document, path: Path) -> Webhook:
    fields = entry if isinstance(entry, dict) else {}
    event_type = fields.get("type")
    if not isinstance(event_type, str) or not event_type:
        raise Problem(
            Reason.INVALID_VALUE, "the webhook says no event type", where=document.where(path)
        )
    requests = fields.get("requests")
    return Webhook(
        where=document.where(path),
        type=event_type,
        subscription=str(fields.get("subscriptionID") or ""),
        requests=tuple(
            _request(one, document.where((*path, "requests", index)))
            for index, one in enumerate(requests if isinstance(requests, list) else ())
        ),
        secrets=_secrets(fields.get("envFrom")),
        send_started=fields.get("sendStarted") is not False,
        send_finished=fields.get("sendFinished") is True,
    )


def _secrets(listed: Any) -> dict[str, Secret]:
    found = {}
    for entry in listed if isinstance(listed, list) else ():
        reference = entry.get("secretRef") if isinstance(entry, dict) else None
        if isinstance(reference, dict) and isinstance(entry.get("name"), str):
            found[entry["name"]] = Secret(
                name=str(reference.get("name") or ""), key=str(reference.get("key") or "")
            )
    return found


def _request(entry: Any, where: str) -> Request:
    try:
        if isinstance(entry, str):
            return Request(where=where, call=curl.read(curl.split(entry)))
        if isinstance(entry, dict):
            return Request(where=where, call=_structured(entry))
    except ValueError as error:
        return Request(where=where, call=None, fault=str(error))
    return Request(where=where, call=None, fault="it is neither a command line nor a mapping")


def _structured(entry: dict[str, Any]) -> curl.Call:
    """A v1beta1 request; Keptn makes a curl command line of it, and its options are curl's."""
    url = entry.get("url")
    if not isinstance(url, str) or not url:
        raise ValueError("it has no url")
    more = curl.read([*curl.split(str(entry.get("options") or "")), "--url", url])
    listed = entry.get("headers")
    headers = [
        (str(one.get("key") or "").strip().lower(), str(one.get("value") or "").strip())
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict)
    ]
    return replace(
        more,
        method=str(entry.get("method") or more.method),
        data=str(entry.get("payload") or more.data),
        headers=(*headers, *more.headers),
    )
