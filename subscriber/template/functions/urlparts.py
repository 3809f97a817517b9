"""URLs taken apart and put together as Go's net/url does it.

Rules: the path and the fragment are decoded, the query is not; a URL that Go refuses is refused.

This module does not know templates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote_from_bytes, unquote_to_bytes

from subscriber.template.semantics.values import from_bytes, to_bytes

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_ASCII_ESCAPE = re.compile(r"%(?!25)[0-7][0-9A-Fa-f]")
_USER_INFO = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_AUTHORITY_END = re.compile(r"[/?#]")
_PORT = re.compile(r"(?::[0-9]*)?")

# What Go leaves unescaped beside letters, digits and -_.~ (which quote leaves always).
_PATH = "$&+,/:;=@"
_USER = "$&+,;="
_HOST = "!$&'()*+,;=:[]<>\""
_FRAGMENT = "$&+,/:;=?@!()*"
_HOST_ALLOWED = frozenset(_HOST + "-_.~%")


class BadUrl(ValueError):
    """What Go's url.Parse refuses; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A URL in its parts, by the names that sprig gives them."""

    scheme: str = ""
    userinfo: str = ""
    host: str = ""
    path: str = ""
    query: str = ""
    opaque: str = ""
    fragment: str = ""

    @property
    def hostname(self) -> str:
        """The host without port and brackets."""
        host, colon, port = self.host.rpartition(":")
        if not colon or not _PORT.fullmatch(colon + port):
            host = self.host
        return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def parse(url: str) -> Parts:
    """Take a URL apart.

    Raises:
        BadUrl: Go refuses it.
    """
    before, _, fragment = url.partition("#")
    if _CONTROL.search(before):
        raise BadUrl("it has a control character")
    fragment = _unescaped(fragment)
    if before == "*":
        return Parts(path="*", fragment=fragment)
    scheme, rest = _scheme(before)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return Parts(scheme=scheme, opaque=rest, query=query, fragment=fragment)
        if ":" in rest.partition("/")[0]:
            raise BadUrl("its first path segment has a colon")
    userinfo = host = ""
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        userinfo, host = _authority(scheme, authority)
    return Parts(
        scheme=scheme,
        userinfo=userinfo,
        host=host,
        path=_unescaped(rest),
        query=query,
        fragment=fragment,
    )


def join(parts: Parts) -> str:
    """Put a URL together.

    Raises:
        BadUrl: the user information cannot stand in a URL.
    """
    userinfo = _user_of(parts.userinfo)
    url = f"{parts.scheme}:" if parts.scheme else ""
    if parts.opaque:
        url += parts.opaque
    else:
        if parts.host or userinfo or (parts.scheme and parts.path):
            url += "//" + userinfo + _escaped(parts.host, _HOST)
        path = parts.path if parts.path == "*" else _escaped(parts.path, _PATH)
        if path and path[0] != "/" and parts.host:
            url += "/"
        if not url and ":" in path.partition("/")[0]:
            url = "./"
        url += path
    if parts.query:
        url += "?" + parts.query
    return f"{url}#{_escaped(parts.fragment, _FRAGMENT)}" if parts.fragment else url


def _scheme(url: str) -> tuple[str, str]:
    if url.startswith(":"):
        raise BadUrl("its scheme is missing")
    found = _SCHEME.fullmatch(url)
    return (found[1].lower(), found[2]) if found else ("", url)


def _authority(scheme: str, authority: str) -> tuple[str, str]:
    userinfo, at, host = authority.rpartition("@")
    host = _host(scheme, host)
    if not at:
        return "", host
    if not _USER_INFO.fullmatch(userinfo):
        raise BadUrl("its user information has a character that is not allowed there")
    name, colon, password = userinfo.partition(":")
    return _user(name) + colon + _user(password), host


def _user(part: str) -> str:
    return _escaped(_unescaped(part), _USER)


def _user_of(userinfo: str) -> str:
    # As sprig has it: what a URL with this before its host would be read as.
    if not userinfo:
        return ""
    found = parse(f"proto://{userinfo}@host").userinfo
    authority = _AUTHORITY_END.split(f"{userinfo}@host", maxsplit=1)[0]
    return f"{found}@" if "@" in authority else ""


def _host(scheme: str, host: str) -> str:
    if "[" in host:
        return _bracketed(host)
    first, last = host.find(":"), host.rfind(":")
    if first >= 0 and not _PORT.fullmatch(host, first if scheme in {"http", "https"} else last):
        raise BadUrl("its port is wrong")
    return _host_text(host)


def _bracketed(host: str) -> str:
    address, bracket, port = host.rpartition("]")
    if host.rfind("[") > 0:
        raise BadUrl("its host has a bracket in it")
    if not bracket:
        raise BadUrl("its host lacks a ]")
    if not _PORT.fullmatch(port):
        raise BadUrl("its port is wrong")
    number, zone, name = address[1:].partition("%25")
    number = _host_text(number)
    name = "%" + _unescaped(name) if zone else ""
    try:
        IPv6Address(number)
    except AddressValueError:
        raise BadUrl("its host in brackets is no IPv6 address") from None
    if name == "%":
        raise BadUrl("the zone of its IPv6 address is empty")
    return f"[{number}{name}]{port}"


def _host_text(host: str) -> str:
    if any(c.isascii() and not c.isalnum() and c not in _HOST_ALLOWED for c in host):
        raise BadUrl("its host has a character that is not allowed there")
    escape = _ASCII_ESCAPE.search(host)
    if escape:
        raise BadUrl(f"its host has the escape {escape[0]}")
    return _unescaped(host)


def _unescaped(part: str) -> str:
    bad = _BAD_ESCAPE.search(part)
    if bad:
        raise BadUrl(f"the escape {bad[0]} is wrong")
    return from_bytes(unquote_to_bytes(to_bytes(part)))


def _escaped(part: str, safe: str) -> str:
    return quote_from_bytes(to_bytes(part), safe=safe)
