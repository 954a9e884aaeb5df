"""``python -m agent.daemon.probe``: whether the agent on this machine is well, for a container's health check."""

from __future__ import annotations

import http.client
import os
import ssl
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

VARIABLE = "LABWRIGHT_HEALTH_URL"
URL = "http://127.0.0.1:8080/healthz"
_TIMEOUT_S = 4.0
_SHOWN = 4096


def ask(url: str, timeout_s: float = _TIMEOUT_S) -> tuple[int, str]:
    """Status and body of an answer; 0 and the reason where there is none.

    The certificate is not looked at: it bears the name by which other machines know this one.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "127.0.0.1", parts.port
        if parts.scheme == "https":
            context = ssl._create_unverified_context()  # noqa: S323, SLF001 - nothing is told, and it is this machine
            line: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=timeout_s, context=context
            )
        else:
            line = http.client.HTTPConnection(host, port, timeout=timeout_s)
        try:
            line.request("GET", parts.path or "/")
            answer = line.getresponse()
            return answer.status, answer.read(_SHOWN).decode(errors="replace")
        finally:
            line.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return 0, f"{url}: {error}"


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Ask, print what was said, and give the exit status that a health check wants."""
    status, said = ask(environ.get(VARIABLE, URL))
    print(said)  # noqa: T201 - the answer
    return 0 if status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
