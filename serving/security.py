"""The API key: given in production, made once under the home folder in the embedded profile."""

import secrets
from collections.abc import Callable

from fastapi import Security
from fastapi.security import APIKeyHeader

from pipelines.core.errors import SettingsError
from pipelines.core.private_file import make_once
from pipelines.core.settings import Settings
from serving.refusals import Refusal

HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="the key of this service")


def api_key(settings: Settings) -> str:
    """The key that callers must send; in the embedded profile it is made (mode 600) when there is none."""
    if settings.api_key:
        return settings.api_key.get_secret_value()
    path = settings.api_key_path
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make_once(path, secrets.token_urlsafe(24).encode())
    key = path.read_text(encoding="utf-8").strip()
    if not key:
        raise SettingsError(f"API key file {path} is empty: delete it and start again, or set MARQUEE_API_KEY")
    return key


def guard(settings: Settings) -> Callable[..., None]:
    """A dependency that lets only callers with the key pass."""
    expected = api_key(settings).encode()
    where = "the operator's MARQUEE_API_KEY" if settings.api_key else f"the file {settings.api_key_path.name}"

    def check(key: str | None = Security(HEADER)) -> None:
        if key is None:
            raise Refusal(401, "X-API-Key", "no key was sent", f"send the header X-API-Key with {where}")
        if not secrets.compare_digest(key.encode(), expected):
            raise Refusal(401, "X-API-Key", "the key is wrong", f"send the header X-API-Key with {where}")

    return check
