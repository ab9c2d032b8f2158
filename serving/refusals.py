"""Every refusal reads alike: {"error": {thing, value, message, remedy}}."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pipelines.core.errors import MarqueeError, RequestError

log = logging.getLogger(__name__)


class Refusal(RequestError):
    """A request that is refused, with the status that says how."""

    def __init__(self, status: int, thing: str, message: str, remedy: str, value: object = None) -> None:
        super().__init__(f"{thing}: {message}: {remedy}")
        self.status = status
        self.body = {"thing": thing, "value": value, "message": message, "remedy": remedy}


def install(app: FastAPI) -> None:
    """Turn everything that may be raised into an answer of that shape."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(MarqueeError, _failed)
    app.add_exception_handler(Exception, _failed)


def reason(problem: Any) -> str:
    """One validation problem as a sentence: the thing, the value, what it should be."""
    thing, value = _thing(problem), _short(problem.get("input"))
    return f"{thing} {value!r}: {problem['msg']}" if value is not None else f"{thing}: {problem['msg']}"


def _answer(status: int, thing: str, message: str, remedy: str, value: object = None) -> JSONResponse:
    return JSONResponse({"error": {"thing": thing, "value": value, "message": message, "remedy": remedy}}, status)


def _thing(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"] if part != "body") or "body"


def _short(value: object) -> object:
    """What was given, cut where it is long; an object is not repeated."""
    if isinstance(value, str):
        return value if len(value) <= 80 else f"{value[:80]}…"
    return value if isinstance(value, (int, float, bool)) else None


async def _refused(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Refusal):
        return await _failed(request, error)
    return JSONResponse({"error": error.body}, error.status)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    first = problems[0]
    thing = _thing(first)
    if first["type"] == "json_invalid":
        return _answer(422, "body", f"the body is not JSON: {first['ctx']['error']}", "send one JSON object")
    remedy = f"correct {thing}; /docs says what each field may be"
    return _answer(422, thing, "; ".join(reason(problem) for problem in problems), remedy, _short(first.get("input")))


async def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    said = str(error.detail) if isinstance(error, HTTPException) else "failed"
    return _answer(status, "path", f"{request.method} {request.url.path}: {said}", "see /docs for what there is")


async def _failed(request: Request, error: Exception) -> JSONResponse:
    """Ours are safe to show; anything else is only logged."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    said = str(error) if isinstance(error, MarqueeError) else "something failed here, not in your request"
    return _answer(503, "service", said, "try again; the API's log has the cause")
