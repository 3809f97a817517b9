"""curl command lines as Keptn's webhook-service takes them: one text, split, and read.

Rules: split as Keptn does, at blanks outside of quotes; inside of quotes nothing escapes, but for
`\\"` inside of double quotes, which is kind to lines that were meant for a shell. A backslash at
the end of a line joins it with the next. Options that nobody knows are named, never guessed at.

Pure; this module does not know webhooks.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_DATA = ("-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--json")
_WITH_VALUE = frozenset(
    {
        *_DATA,
        *("-X", "--request", "-H", "--header", "--url"),
        *("-x", "--proxy", "--noproxy", "-U", "--proxy-user", "-u", "--user", "-A", "--user-agent"),
        *("-e", "--referer", "-b", "--cookie", "-c", "--cookie-jar", "-m", "--max-time"),
        *("--connect-timeout", "--retry", "--retry-delay", "--retry-max-time", "--cacert"),
        *("--capath", "-E", "--cert", "--key", "--resolve", "--connect-to", "-w", "--write-out"),
        *("-o", "--output", "-F", "--form", "-T", "--upload-file", "-K", "--config"),
        *("--data-urlencode", "--limit-rate", "--ciphers", "--tls-max", "--interface"),
    }
)
_OF_NO_CONSEQUENCE = frozenset(
    {
        *("-s", "--silent", "-S", "--show-error", "-v", "--verbose", "-i", "--include"),
        *("-f", "--fail", "--fail-with-body", "-#", "--progress-bar", "--no-progress-meter"),
        *("--compressed", "-g", "--globoff", "--http1.1", "--http2", "-4", "-6"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request.

    Attributes:
        url, method, data: as written.
        headers: name (lower case) and value.
        options: what else was asked for, e.g. ``--proxy http://proxy:3128``.
    """

    url: str
    method: str = ""
    data: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    options: tuple[str, ...] = ()

    @property
    def address(self) -> SplitResult:
        """The URL in its parts; empty ones when it is none."""
        try:
            return urlsplit(self.url)
        except ValueError:
            return urlsplit("")

    @property
    def verb(self) -> str:
        """The method in force."""
        return self.method.upper() or ("POST" if self.data else "GET")


def split(text: str) -> list[str]:
    """The words of a command line.

    Raises:
        ValueError: a quote is never closed.
    """
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    position = 0
    while position < len(text):
        here = text[position]
        following = text[position + 1 : position + 2]
        position += 1
        if quote:
            if here == "\\" and quote == following == '"':
                word = [*(word or []), '"']
                position += 1
            elif here == quote:
                quote = ""
            elif word is not None:
                word.append(here)
        elif here in "'\"":
            quote, word = here, word if word is not None else []
        elif here.isspace():
            if word is not None:
                words.append("".join(word))
            word = None
        elif here == "\\" and following in ("\n", "\r"):
            position += 1
        else:
            word = word if word is not None else []
            word.append(here)
    if quote:
        raise ValueError(f"a {quote} is never closed")
    if word is not None:
        words.append("".join(word))
    return words


def read(words: list[str]) -> Call:
    """What a command line asks for; its first word may be `curl`.

    Raises:
        ValueError: an option without its value, no URL, or more than one.
    """
    urls: list[str] = []
    data: list[str] = []
    headers: list[tuple[str, str]] = []
    options: list[str] = []
    method = ""
    rest = iter(words[1:] if words[:1] == ["curl"] else words)
    for word in rest:
        name, value = _option(word)
        if not name:
            urls.append(word)
            continue
        if name in _WITH_VALUE and value is None:
            value = next(rest, None)
            if value is None:
                raise ValueError(f"{name} has no value")
        if name in _DATA:
            data.append(value or "")
            if name == "--json":
                headers.append(("content-type", "application/json"))
        elif name in ("-X", "--request"):
            method = value or ""
        elif name in ("-H", "--header"):
            header, _, content = (value or "").partition(":")
            headers.append((header.strip().lower(), content.strip()))
        elif name == "--url":
            urls.append(value or "")
        elif name not in _OF_NO_CONSEQUENCE:
            options.append(name if value is None else f"{name} {value}")
    if len(urls) != 1:
        # not shown: what was split wrongly may be a body, with a key in it
        raise ValueError(f"there are {len(urls)} URLs in it, not one (is a quote missing?)")
    return Call(
        url=urls[0],
        method=method,
        data="&".join(data),
        headers=tuple(headers),
        options=tuple(options),
    )


def _option(word: str) -> tuple[str, str | None]:
    """`--name`, `--name=value`, `-Xvalue`; an empty name for what is none."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    if not word.startswith("-") or len(word) < 2:
        return "", None
    name, joined = word[:2], word[2:]
    if name in _WITH_VALUE:
        return name, joined or None
    if joined and all(f"-{letter}" in _OF_NO_CONSEQUENCE for letter in word[1:]):
        return "-s", None  # several letters in one, none of any consequence
    return name, joined or None
