"""Text in quotes and escapes: Go's strconv.Quote family, html, js and urlquery.

Rules: printable means Go's IsPrint, which is Python's isprintable; a byte that is no UTF-8 (a
surrogate escape) is written ``\\xff`` in quotes.
"""

from __future__ import annotations

from urllib.parse import quote_plus

from subscriber.template.semantics.values import to_bytes

_ESCAPES = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\",
}  # fmt: skip


def quote(text: str, mark: str = '"', *, ascii_only: bool = False) -> str:
    """Text as a Go literal in the given quotation mark, as strconv.Quote writes it."""
    if text.isascii() and text.isprintable() and "\\" not in text and mark not in text:
        return f"{mark}{text}{mark}"
    body = "".join([_quoted(character, mark, ascii_only) for character in text])
    return f"{mark}{body}{mark}"


def _quoted(character: str, mark: str, ascii_only: bool) -> str:
    if character == mark:
        return f"\\{mark}"
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable() and (character.isascii() or not ascii_only):
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def can_backquote(text: str) -> bool:
    """Whether the text can stand between backquotes unchanged (strconv.CanBackquote)."""
    return not any(
        c in "`\x7f\ufeff" or (c < " " and c != "\t") or "\ud800" <= c <= "\udfff" for c in text
    )


_HTML = str.maketrans(
    {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)


def html(text: str) -> str:
    """The text with HTML's five characters escaped, as template.HTMLEscapeString does."""
    return text.translate(_HTML)


_JS = {
    "\\": "\\\\", "'": "\\'", '"': '\\"',
    "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip
_JS_TABLE = str.maketrans(_JS | {chr(code): f"\\u{code:04X}" for code in range(32)})


def js(text: str) -> str:
    """The text escaped for a JavaScript string, as template.JSEscapeString does."""
    escaped = text.translate(_JS_TABLE)
    if escaped.isascii() or escaped.isprintable():
        return escaped
    return "".join([c if _js_plain(c) else f"\\u{ord(c):04X}" for c in escaped])


def _js_plain(character: str) -> bool:
    return character.isascii() or character.isprintable() or "\udc80" <= character <= "\udcff"


def urlquery(text: str) -> str:
    """The text escaped for a URL's query, as url.QueryEscape does."""
    return quote_plus(to_bytes(text))
