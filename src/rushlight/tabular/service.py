"""The HTTP service around a model, as an ASGI application: what it answers, what it refuses.

`POST /predict` takes a row or a list of rows and answers in kind.  Every refusal is JSON: `{"error": text}`, with
`problems` that name row and column where the rows are at fault.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from rushlight.tabular.errors import DataError
from rushlight.tabular.openapi import describe, docs_page, document
from rushlight.tabular.rows import refuse_infinite_answers, rows_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from starlette.requests import Request

    from rushlight.tabular.run import Run

# Up to here a forward pass takes less time than handing it to another thread; beyond, /health must not wait for it.
ROWS_AT_ONCE = 64


class Limits:
    """Of one request: rows, bytes of its body, and seconds, first for the body to arrive and then for the answer."""

    def __init__(self, rows: int = 10_000, size: int = 16 << 20, seconds: float = 10.0) -> None:
        self.rows, self.size, self.seconds = rows, size, seconds


class Service:
    """The routes, around one model."""

    def __init__(self, run: Run, limits: Limits) -> None:
        self.rows, self.limits = rows_of(run), limits
        self.one_thread = ThreadPoolExecutor(1, "predict")
        self.about = encode(describe(run))
        self.document = encode(document(run, self.rows, limits))
        self.docs, self.docs_policy = docs_page(run, self.rows, limits)

    def application(self) -> Starlette:
        """What an ASGI server runs."""
        return Starlette(
            routes=[
                Route("/", self.get_about),
                Route("/health", self.get_health),
                Route("/predict", self.post_predict, methods=["POST"]),
                Route("/openapi.json", self.get_document),
                Route("/docs", self.get_docs),
            ],
            exception_handlers={HTTPException: refusal, Exception: failure},  # type: ignore[dict-item]
        )

    async def get_about(self, request: Request) -> Response:
        return Json(self.about)

    async def get_health(self, request: Request) -> Response:
        return Json(b'{"status":"ok"}')

    async def get_document(self, request: Request) -> Response:
        return Json(self.document)

    async def get_docs(self, request: Request) -> Response:
        return HTMLResponse(self.docs, headers={"content-security-policy": self.docs_policy})

    async def post_predict(self, request: Request) -> Response:
        given = parsed(await self.body(request))
        rows = given if isinstance(given, list) else [given]
        if len(rows) > self.limits.rows:
            raise HTTPException(413, f"{len(rows)} rows: the most in one request is {self.limits.rows}")
        if len(rows) <= ROWS_AT_ONCE:
            answers = self.predict(rows)
        else:
            answers = await self.predict_aside(rows)
        return Json(encode(answers if isinstance(given, list) else answers[0]))

    async def body(self, request: Request) -> bytes:
        """The request's body, if it is JSON, not too long and not too slow."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            # also what keeps pages of other sites from asking: a browser does not let them send this type unasked
            raise HTTPException(415, "the body must be JSON: send content-type: application/json")
        most, content = self.limits.size, bytearray()
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > most:
            raise too_long(most)
        try:
            async with asyncio.timeout(self.limits.seconds):
                async for part in request.stream():
                    content += part
                    if len(content) > most:
                        raise too_long(most)
        except TimeoutError:
            raise HTTPException(
                408, f"the body took longer than {self.limits.seconds:g} seconds to arrive", {"connection": "close"}
            ) from None
        except ClientDisconnect:
            raise HTTPException(400, "the body ended early") from None
        return bytes(content)

    def predict(self, rows: list[Any]) -> list[dict[str, Any]]:
        """Answers, rounded to the six digits that `rushlight predict` writes; a 422 if a row is at fault."""
        problems = self.rows.problems(rows)
        if problems:
            raise BadRows(problems)
        try:
            answers = self.rows.predict(rows)
            refuse_infinite_answers(answers)
        except DataError as error:
            raise HTTPException(422, str(error)) from None
        for answer in answers:
            if "probabilities" in answer:
                answer["probabilities"] = {label: round(p, 6) for label, p in answer["probabilities"].items()}
        return answers

    async def predict_aside(self, rows: list[Any]) -> list[dict[str, Any]]:
        """Many rows: in a thread of their own, one request after another."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await loop.run_in_executor(self.one_thread, self.predict, rows)
        except TimeoutError:
            raise HTTPException(
                503,
                f"no answer within {self.limits.seconds:g} seconds: send fewer rows, or later",
                {"retry-after": "5"},
            ) from None


class Json(Response):
    """Bytes that are JSON."""

    media_type = "application/json"


class BadRows(HTTPException):
    """Rows that are not as the schema says."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        first = problems[0]
        column = f" column {first['column']!r}" if first["column"] is not None else ""
        super().__init__(422, f"row {first['row']}:{column} {first['problem']}")
        self.problems = problems


def encode(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")  # half of a surrogate pair: UTF-8 cannot write it, JSON's escape can


def parsed(body: bytes) -> Any:
    """The JSON of a body: an object, or a list."""
    try:
        given = json.loads(body, parse_constant=no_number)
    except RecursionError:
        raise HTTPException(400, "the body is nested too deeply") from None
    except ValueError as error:  # not JSON, not UTF-8, or an integer of thousands of digits
        raise HTTPException(400, f"the body is not JSON: {error}") from None
    if not isinstance(given, (dict, list)):
        raise HTTPException(422, "the body must be a row (an object) or a list of rows")
    return given


def no_number(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value; null stands for what is missing")


def too_long(most: int) -> HTTPException:
    return HTTPException(413, f"the body is longer than {most} bytes", {"connection": "close"})


async def refusal(request: Request, error: HTTPException) -> Response:
    content: dict[str, Any] = {"error": error.detail}
    if isinstance(error, BadRows):
        content["problems"] = error.problems
    return Json(encode(content), error.status_code, error.headers)


async def failure(request: Request, error: Exception) -> Response:
    """Of our own making; Starlette raises it again for the server's log."""
    return Json(encode({"error": "the service failed at this request; its log says why"}), 500)
