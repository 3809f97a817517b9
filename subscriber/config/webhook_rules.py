"""Keptn webhooks that post to PagerDuty, turned into services, rules and body files.

Rules:
- What is made does what the webhook did; what would be better is offered beside it, as a comment,
  or done with `resolve`. Whatever is not carried over is named.
- A routing key is never written down: it becomes a service whose key comes from the environment.
- What the rule says itself (action, dedup key) is taken out of the body.

Pure; text in, texts out. Whether the result is good is for `rules` to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from subscriber.config.curl import Call
from subscriber.config.keptn_webhook import Request, Secret, Webhook
from subscriber.config.looseobject import LooseObject, Member, replaced, take_apart
from subscriber.config.webhook_drafts import Drafts, Note, NoteKind, RuleDraft, ServiceDraft

_HOSTS = {"events.pagerduty.com": "", "events.eu.pagerduty.com": "eu"}
_EVENTS, _CHANGES = "/v2/enqueue", "/v2/change/enqueue"
_ENV = re.compile(r"\{\{-?\s*\.env\.([A-Za-z_][A-Za-z0-9_]*)\s*-?\}\}")
_SECRET = re.compile(r"\{\{-?\s*\.secret\.([^.\s}]+)\.([^\s}]+?)\s*-?\}\}")
_OTHER_WORLD = re.compile(r"\.(?:env|secret)\b")
_REAL_KEY = re.compile(r"[0-9A-Za-z]{32}")
_TAKEN = ("routing_key", "dedup_key", "event_action")
_ACTIONS = ("trigger", "acknowledge", "resolve")
_PLACE = "{{.data.project}}/{{.data.stage}}/{{.data.service}}"
_ADVICE = {
    "--proxy": "`pagerduty.events_url` names a proxy that forwards to PagerDuty",
    "-x": "`pagerduty.events_url` names a proxy that forwards to PagerDuty",
    "--cacert": "set `pagerduty.ca_file`",
    "--max-time": "set `pagerduty.timeout`",
    "-m": "set `pagerduty.timeout`",
    "--retry": "retries are built in",
    "-k": "certificates are always verified; `pagerduty.ca_file` adds an authority",
    "--insecure": "certificates are always verified; `pagerduty.ca_file` adds an authority",
}


def drafted(
    webhooks: Sequence[Webhook], *, filters: Mapping[str, str], resolve: bool = False
) -> Drafts:
    """Services and rules for everything that is posted to PagerDuty.

    Args:
        webhooks: as Keptn has them.
        filters: `project`, `stage`, `service` -> the only value that counts.
        resolve: trigger on fail and warning only, and resolve on pass, where a webhook only ever
            triggers.
    """
    drafter = _Drafter(filters, resolve)
    for webhook in webhooks:
        drafter.webhook(webhook)
    drafter.pair_up()
    return drafter.drafts


class _Drafter:
    def __init__(self, filters: Mapping[str, str], resolve: bool) -> None:
        self.drafts = Drafts()
        self._match = {f"data.{name}": value for name, value in filters.items() if value}
        self._resolve = resolve
        self._services: dict[tuple[str, ...], ServiceDraft] = {}

    def _note(self, kind: NoteKind, where: str, text: str, hint: str = "") -> None:
        self.drafts.notes.append(Note(kind=kind, where=where, text=text, hint=hint))

    # -- one webhook -----------------------------------------------------------------------------

    def webhook(self, webhook: Webhook) -> None:
        """Its requests, and what else it asks of Keptn."""
        before = len(self.drafts.rules)
        used: set[str] = set()
        for request in webhook.requests:
            self._request(webhook, request, used)
        if len(self.drafts.rules) == before:
            return
        if webhook.send_finished:
            self._note(
                NoteKind.LEFT_OUT,
                webhook.where,
                "sendFinished: no finished event goes back to Keptn",
                "a sequence that waits for this task needs another one to end it",
            )
        elif webhook.type.endswith(".triggered") and webhook.send_started:
            self._note(
                NoteKind.LEFT_OUT,
                webhook.where,
                "sendStarted: no started event goes back to Keptn",
                "a sequence that waits for this task needs another one to answer",
            )
        for name in webhook.secrets:
            if name not in used:
                self._note(
                    NoteKind.LEFT_OUT, webhook.where, f"envFrom {name}: no routing key comes of it"
                )

    def _request(self, webhook: Webhook, request: Request, used: set[str]) -> None:
        call = request.call
        if call is None:
            self._note(NoteKind.LEFT_OUT, request.where, f"the request: {request.fault}")
            return
        url = call.address
        host = (url.hostname or "").lower() if "{{" not in url.netloc else "a host of a template"
        if host not in _HOSTS:
            self._note(
                NoteKind.LEFT_OUT,
                request.where,
                f"the request to {host or 'nowhere'}: it is not PagerDuty's events host",
            )
            return
        if url.path.rstrip("/") not in (_EVENTS, _CHANGES):
            self._note(
                NoteKind.LEFT_OUT,
                request.where,
                "the request: it is not for PagerDuty's Events API v2",
                f"that one is at https://{host}{_EVENTS}",
            )
            return
        if call.verb != "POST":
            self._note(
                NoteKind.LEFT_OUT,
                request.where,
                f"the request: {call.verb} tells PagerDuty nothing",
            )
            return
        try:
            body = take_apart(call.data)
        except ValueError as error:
            self._note(
                NoteKind.LEFT_OUT,
                request.where,
                f"the request: its body cannot be taken apart: {error}",
                "write a rule with this body by hand",
            )
            return
        if any(name in one.text for one in body.members if not one.name for name in _TAKEN):
            self._note(
                NoteKind.LEFT_OUT,
                request.where,
                "the request: routing_key, event_action or dedup_key stand inside of a condition",
                "write a rule by hand: its `action`, `service` and `dedup_key` are templates",
            )
            return
        self._rule(webhook, request, call, body, change=url.path.rstrip("/") == _CHANGES, used=used)

    def _rule(
        self,
        webhook: Webhook,
        request: Request,
        call: Call,
        body: LooseObject,
        *,
        change: bool,
        used: set[str],
    ) -> None:
        where = request.where
        region = _HOSTS[(call.address.hostname or "").lower()]
        service = self._service(webhook, where, call, body, region, used)
        name = self._free_name(_slug_of_type(webhook.type))
        self._details(where, call, body)
        action = "change" if change else self._action(where, body)
        dedup_key, offers = "", dict[str, tuple[str, str]]()
        if not change:
            dedup_key, offers = self._key(where, webhook.type, body)
        self.drafts.rules.append(
            RuleDraft(
                name=name,
                where=where,
                subscription=webhook.subscription,
                types=_globs(webhook.type),
                match=self._match,
                service=service.name,
                action=action,
                dedup_key=self._replaced(dedup_key, where),
                offers=offers,
                body=self._replaced(body.without(_TAKEN), where),
            )
        )

    def _free_name(self, wanted: str) -> str:
        taken = {rule.name for rule in self.drafts.rules}
        names = (wanted if number == 1 else f"{wanted}-{number}" for number in range(1, 10_000))
        return next(name for name in names if name not in taken)

    def _details(self, where: str, call: Call, body: LooseObject) -> None:
        """What is said of a request that is not its key, action or body."""
        for option in call.options:
            name = option.split(" ", 1)[0]
            self._note(
                NoteKind.LEFT_OUT, where, f"curl option {_shown(name)}", _ADVICE.get(name, "")
            )
        for header, _ in call.headers:
            if header not in ("content-type", "accept", "x-routing-key"):
                self._note(NoteKind.LEFT_OUT, where, f"header {_shown(header)}")
        key = body.get("routing_key")
        for word in body.quoted:
            if key is None or f'"{word}"' != key.value:
                self._note(
                    NoteKind.WARNING,
                    where,
                    f"{_shown(word)} stood without quotes, and has got some",
                )
        text = body.without(_TAKEN)
        if body.get("payload") is None:
            self._note(NoteKind.WARNING, where, "the body has no payload: PagerDuty refused it")
        for gone in (".contenttype", ".temporaryData"):
            if gone in text:
                self._note(
                    NoteKind.WARNING,
                    where,
                    f"the body uses {gone}, which only Keptn's webhook-service adds to events",
                    "take it out, or pages go out plain",
                )

    # -- routing key -----------------------------------------------------------------------------

    def _service(
        self,
        webhook: Webhook,
        where: str,
        call: Call,
        body: LooseObject,
        region: str,
        used: set[str],
    ) -> ServiceDraft:
        member = body.get("routing_key")
        header = next((value for name, value in call.headers if name == "x-routing-key"), "")
        text = (member.template if member is not None else header).strip()
        secret, variable = _secret_in(text, webhook, used)
        identity = (secret.name, secret.key, region) if secret else ("literal", text, region)
        known = self._services.get(identity)
        if known is not None:
            return known
        if secret is not None:
            name, origin = _slug(secret.name) or "pagerduty", variable
            wanted = re.sub(r"[^A-Z0-9]+", "_", f"{secret.name}_{secret.key}".upper()).strip("_")
            if secret.key:
                origin = f"secret {secret.name}, key {secret.key}"
            todo = f"put the routing key ({origin}) into the environment variable"
            hint = ""
        else:
            name, wanted, origin = "default", "PAGERDUTY_ROUTING_KEY", "literal in the webhook"
            todo, hint = self._literal(text)
        service = ServiceDraft(
            name=_free(name, {one.name for one in self.drafts.services}, "-"),
            variable=_free(wanted, {one.variable for one in self.drafts.services}, "_"),
            region=region,
            origin=origin,
        )
        self._services[identity] = service
        self.drafts.services.append(service)
        self._note(
            NoteKind.TODO, where, f"{todo} {service.variable} (service {service.name})", hint
        )
        return service

    def _literal(self, text: str) -> tuple[str, str]:
        """What to say of a key that is no secret of Kubernetes."""
        if _REAL_KEY.fullmatch(text):
            return (
                "a routing key stands here in clear; it is not copied. Put it into the environment "
                "variable",
                "and give the integration a new one: everybody who reads the file has this one",
            )
        if "{{" in text:
            return (
                "the routing key comes from the event, which cannot be carried over. Put the key "
                "of one service into the environment variable",
                "a rule's `service` is a template: it may choose among services by the event",
            )
        return "put the integration key of the service into the environment variable", ""

    # -- what the rule says itself ---------------------------------------------------------------

    def _action(self, where: str, body: LooseObject) -> str:
        member = body.get("event_action")
        if member is None:
            self._note(NoteKind.WARNING, where, "the body has no event_action: it triggers now")
            return "trigger"
        action = member.template.strip()
        if member.is_static and action not in _ACTIONS:
            self._note(
                NoteKind.WARNING,
                where,
                f"event_action {_shown(action)!r} is unknown to PagerDuty: it triggers now",
            )
            return "trigger"
        return action

    def _key(
        self, where: str, event_type: str, body: LooseObject
    ) -> tuple[str, dict[str, tuple[str, str]]]:
        """The dedup key, and a better one."""
        member: Member | None = body.get("dedup_key")
        better = f"{_PLACE}/{_task(event_type)}"
        if member is not None and not member.is_static:
            return member.template, {}
        if member is not None and member.template.strip():
            text = "One key for everything: all events are one alert, whatever service they are of."
            self._note(
                NoteKind.WARNING,
                where,
                f"the dedup key is always {_shown(member.template)!r}: all events are one alert",
                "the rule has a better one as a comment",
            )
            return member.template, {"dedup_key": (better, text)}
        if self._resolve:
            return better, {}
        self._note(
            NoteKind.WARNING,
            where,
            "the body has no dedup key: every event is an alert of its own, and stays open",
            "the rule has a better one as a comment",
        )
        return "{{.id}}", {"dedup_key": (better, "Every event is an alert of its own.")}

    def pair_up(self) -> None:
        """Offer the missing half of what only triggers, or write it."""
        rules = self.drafts.rules
        closing = {
            (one.service, one.dedup_key) for one in rules if one.action not in ("trigger", "change")
        }
        for index, rule in enumerate(rules):
            if rule.action != "trigger" or (rule.service, rule.dedup_key) in closing:
                continue
            if not rule.types.endswith(".finished"):
                self._note(
                    NoteKind.WARNING,
                    rule.where,
                    f"nothing closes the alerts of rule {rule.name}",
                    "add a rule with `action: resolve` and the same dedup key",
                )
                continue
            pair = (
                '{{if eq .data.result "pass"}}resolve'
                '{{else if eq .data.result "fail" "warning"}}trigger{{end}}'
            )
            if self._resolve:
                rules[index] = replace(rule, action=pair)
                continue
            text = "Every event pages, also one that says pass, and nothing closes the alert."
            rules[index] = replace(rule, offers={"action": (pair, text), **rule.offers})
            self._note(
                NoteKind.WARNING,
                rule.where,
                f"rule {rule.name} pages whatever the result is, and nothing closes its alerts",
                "--resolve makes it page for fail and warning, and resolve on pass",
            )

    # -- secrets elsewhere -----------------------------------------------------------------------

    def _replaced(self, text: str, where: str) -> str:
        """The text without secrets of Keptn's, which templates here cannot see."""

        def change(action: str) -> str | None:
            if not _OTHER_WORLD.search(action):
                return None
            name = action.strip("{}- ").strip()
            self._note(
                NoteKind.LEFT_OUT,
                where,
                f"{_shown(name)} in the body: templates see no secrets and no environment",
            )
            return f"({name} was left out)"

        return replaced(text, change)


def _secret_in(text: str, webhook: Webhook, used: set[str]) -> tuple[Secret | None, str]:
    """The secret that a text names, and how it is called there."""
    found = _ENV.fullmatch(text)
    if found:
        used.add(found[1])
        known = webhook.secrets.get(found[1])
        # without an envFrom entry only the name of the variable is known
        return known or Secret(name=found[1], key=""), f".env.{found[1]}"
    found = _SECRET.fullmatch(text)
    if found:
        # the Bridge writes an envFrom entry for it: names joined, without what is not a letter
        used.add(
            f"secret_{re.sub('[^A-Za-z0-9]', '', found[1])}_{re.sub('[^A-Za-z0-9]', '', found[2])}"
        )
        return Secret(name=found[1], key=found[2]), f".secret.{found[1]}.{found[2]}"
    return None, ""


def _shown(text: str) -> str:
    """The text as it may be printed: what looks like a routing key is not."""
    return _REAL_KEY.sub("********", text)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _slug_of_type(event_type: str) -> str:
    short = re.sub(r"^sh\.keptn\.events?\.", "", event_type)
    return _slug(short.replace("*", "any").replace(">", "any")) or "webhook"


def _task(event_type: str) -> str:
    parts = event_type.split(".")
    return parts[-2] if len(parts) > 1 and parts[-2].isalnum() else "webhook"


def _globs(event_type: str) -> str:
    """A NATS pattern as a glob."""
    return event_type.replace(">", "*")


def _free(wanted: str, taken: set[str], joint: str) -> str:
    names = (wanted if number == 1 else f"{wanted}{joint}{number}" for number in range(1, 10_000))
    return next(name for name in names if name not in taken)
