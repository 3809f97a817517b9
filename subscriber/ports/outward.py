"""What the surroundings say about the way out: whom to trust, and through which proxy.

Rules:
- Certificates are verified against a CA file of one's own, else what SSL_CERT_FILE and SSL_CERT_DIR
  name, else the system's store, else (in a bare container image) certifi's list. What is named is
  the whole store, and one that cannot be used ends the start: nobody is trusted by mistake.
- Proxies come from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY. Their URLs may hold a password,
  so no message quotes any part of one; a URL that does not parse is refused at the start, because
  later every library would quote the part that it could not read.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote
from urllib.request import getproxies_environment

import certifi
import httpx

from subscriber.model import Problem, Reason

_HIGHEST_PORT = 65_535


def tls_context(ca_file: str = "", environment: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """A context that verifies certificate and host name, TLS 1.2 or newer.

    Args:
        ca_file: PEM file of the only authorities to trust; empty: as the environment says.
        environment: instead of the process environment.

    Raises:
        Problem: TLS_FAILED when a file or folder cannot be used.
    """
    variables = os.environ if environment is None else environment
    file, folder = variables.get("SSL_CERT_FILE", ""), variables.get("SSL_CERT_DIR", "")
    where = ca_file
    try:
        if ca_file:
            return ssl.create_default_context(cafile=ca_file)
        if file or folder:
            where = "SSL_CERT_FILE" if file else "SSL_CERT_DIR"
            missing = [one for one in folder.split(os.pathsep) if one and not Path(one).is_dir()]
            if missing:
                where = "SSL_CERT_DIR"
                raise NotADirectoryError(20, f"{missing[0]} is not a folder")
            return ssl.create_default_context(cafile=file or None, capath=folder or None)
        paths = ssl.get_default_verify_paths()
        store = Path(paths.openssl_capath)
        if Path(paths.openssl_cafile).is_file() or (store.is_dir() and any(store.iterdir())):
            return ssl.create_default_context()
        return ssl.create_default_context(cafile=certifi.where())
    except (ssl.SSLError, OSError) as error:
        raise Problem(
            Reason.TLS_FAILED,
            f"the CA file cannot be used: {error.strerror or type(error).__name__}",
            where=where,
            hint="it must be a readable PEM file",
        ) from error


def proxies(option: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Which proxy leads to http and https URLs; ``no`` holds NO_PROXY's list.

    Args:
        option: a proxy for everything; it wins, and exceptions do not apply to it.
        environment: as `urllib.request.getproxies_environment` reads it.

    Raises:
        Problem: INVALID_VALUE for a proxy that is not spoken to by HTTP, or whose URL is none.
    """
    found = {"no": "" if option else environment.get("no", "")}
    for scheme in ("http", "https"):
        proxy = option or environment.get(scheme) or environment.get("all", "")
        if not proxy:
            continue
        url = proxy if "://" in proxy else f"http://{proxy}"
        if not url.lower().startswith(("http://", "https://")):
            raise Problem(
                Reason.INVALID_VALUE,
                "only HTTP proxies are supported",
                where=url.partition("://")[0],
                hint="set HTTPS_PROXY to an http:// or https:// URL",
            )
        if not _is_usable(url):
            variable = "ALL_PROXY" if not environment.get(scheme) else f"{scheme.upper()}_PROXY"
            raise Problem(
                Reason.INVALID_VALUE,
                "not the address of a proxy",
                where="proxy" if option else variable,
                hint="write it as http://user:password@host:3128, with `:`, `/`, `#`, `?`, `@` and "
                "`%` of the password as %XX",
            )
        found[scheme] = url
    return found


def proxy_secrets() -> tuple[str, ...]:
    """Passwords in the proxies' URLs of the environment, as they stand there and in the clear."""
    found: set[str] = set()
    for url in getproxies_environment().values():
        credentials = url.rpartition("://")[2].rpartition("@")[0]
        name, colon, password = credentials.partition(":")
        found |= {form for text in (password if colon else name,) for form in (text, unquote(text))}
    return tuple(text for text in found if text)


def _is_usable(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    port = parsed.port
    return bool(parsed.host) and (port is None or 0 < port <= _HIGHEST_PORT)
