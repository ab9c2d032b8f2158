"""The API as simulated members reach it: over HTTP, with a key, once it says that it is ready."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from pipelines.core.errors import StackError
from pipelines.core.settings import Settings

READY_SECONDS = 90.0
"""A new champion is loaded in seconds; an API that is not ready after this long has none to serve."""


class Client:
    """Opened with ``with``; ``post`` is what ``run_traffic`` asks for."""

    def __init__(self, settings: Settings) -> None:
        import httpx

        key = settings.api_key.get_secret_value() if settings.api_key else _stored_key(settings)
        self._http = httpx.Client(base_url=settings.api_url, headers={"X-API-Key": key}, timeout=30.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Return when /readyz answers 200; StackError says what it answered instead."""
        import httpx

        until, heard = time.monotonic() + seconds, "nothing"
        while time.monotonic() < until:
            try:
                answer = self._http.get("/readyz")
                if answer.status_code == 200:
                    return
                heard = f"{answer.status_code} {answer.text[:300]}"
            except httpx.TransportError as exc:
                heard = str(exc)
            time.sleep(0.5)
        raise StackError(f"the API at {self._http.base_url} is not ready: {heard}; start it with `marquee up`")

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send JSON, give back the JSON of the answer; StackError quotes a refusal."""
        import httpx

        try:
            answer = self._http.post(path, json=dict(body))
        except httpx.TransportError as exc:
            raise StackError(f"the API at {self._http.base_url} does not answer: {exc}; is `marquee up`?") from exc
        if answer.status_code != 200:
            raise StackError(f"POST {path} was refused with {answer.status_code}: {answer.text[:300]}")
        found: Mapping[str, Any] = answer.json()
        return found


def _stored_key(settings: Settings) -> str:
    if not settings.api_key_path.exists():
        raise StackError(f"{settings.api_key_path} holds no API key: start the API with `marquee up`")
    return settings.api_key_path.read_text(encoding="utf-8").strip()
