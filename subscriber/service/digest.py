"""The digest of a configuration: equal on two replicas exactly when they go by the same rules.

Rules: of what the configuration says and of the bodies it names, never of a key: a digest of a
secret is a way to test guesses of it. Shipped rules are told apart by the program's version.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from subscriber.config import Config

DIGITS = 12


def digest_of(config: Config, folder: Path) -> str:
    """The first digits of SHA-256 over the configuration; body files are looked up in `folder`."""
    found = sha256(config.model_dump_json().encode("utf-8", "surrogatepass"))
    for rule in config.rules:
        if rule.body_file:
            try:
                text = (folder / rule.body_file).read_bytes()
            except OSError:  # the loader has said so, or it has changed since
                text = b""
            found.update(b"\0" + str(len(text)).encode() + b"\0" + text)
    return found.hexdigest()[:DIGITS]
