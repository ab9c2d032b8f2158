"""Small JSON requests to the servers on this machine, past any proxy."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from pipelines.core.errors import StackError

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 60.0) -> Any:
    """The JSON that ``url`` answers with."""
    return _send(urllib.request.Request(url, headers=dict(headers or {})), timeout)


def post(url: str, body: Any, *, headers: Mapping[str, str] | None = None, timeout: float = 60.0) -> Any:
    """The JSON that ``url`` answers to a JSON body."""
    return _send(_with_body("POST", url, body, headers), timeout)


def patch(url: str, body: Any, *, headers: Mapping[str, str] | None = None, timeout: float = 60.0) -> Any:
    """The JSON that ``url`` answers to a change given as a JSON body."""
    return _send(_with_body("PATCH", url, body, headers), timeout)


def answers(url: str) -> bool:
    """Whether ``url`` answers 2xx within two seconds."""
    try:
        with _DIRECT.open(url, timeout=2.0):
            return True
    except OSError:
        return False


def _with_body(method: str, url: str, body: Any, headers: Mapping[str, str] | None) -> urllib.request.Request:
    sent = {"Content-Type": "application/json", **(headers or {})}
    return urllib.request.Request(url, data=json.dumps(body).encode(), headers=sent, method=method)


def _send(request: urllib.request.Request, timeout: float) -> Any:
    """Raises StackError with the server's own words when it refuses or cannot be reached."""
    try:
        with _DIRECT.open(request, timeout=timeout) as response:
            return json.load(response)
    except urllib.error.HTTPError as exc:
        said = exc.read(500).decode(errors="replace")
        raise StackError(f"{request.get_method()} {request.full_url} answered {exc.code}: {said}") from exc
    except (OSError, ValueError) as exc:
        raise StackError(f"{request.get_method()} {request.full_url} failed ({exc}): see `marquee status`") from exc
