"""The live connection: one WebSocket per visitor for all questions and answers.

A message is a JSON object, optionally followed by a line feed and bytes: the picture of a question,
or the PNG of the layers in an answer. An answer has the `id` of its question, and the milliseconds
that it `took`. Answers may arrive in another order than their questions. A visitor's pictures are
predicted one at a time, though: one that is still waiting when the next arrives is answered
`{"superseded": true}`.

Source: RFC 6455.
"""

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Coroutine

import gradio as gr
import orjson
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from demo.answers import Answer, Answers
from demo.auth import is_logged_in, is_same_site
from demo.metrics import Metrics
from demo.question import Question
from demo.visitor_cache import MAX_VISITORS

PATH = "/xray/live"
MAX_MESSAGE_BYTES = 2**19  # a drawing has 12,544 bytes, a picture of 224x224 pixels up to 150 kB
MAX_QUESTIONS = 8  # in progress per visitor; beyond that, the socket is not read
FRAME_SECONDS = 1 / 60  # pause after a superseded picture, so that no browser floods the server
# Seconds between two polls of Gradio's queue; its defaults of 1 and 10 ms use 2% of a core.
QUEUE_SECONDS, PROGRESS_SECONDS = 0.02, 0.2
TRY_AGAIN_LATER = 1013  # close code, from IANA's WebSocket registry
UNACKNOWLEDGED_MS = 30_000  # before the kernel closes a connection whose data is not acknowledged
UNREADABLE = {
    "error": "A question must be a JSON object in a binary message, and its id a number.",
    "final": True,
}


def make_live_route(answers: Answers, metrics: Metrics) -> WebSocketRoute:
    """Returns the route of the live connections."""
    connections: set[_Connection] = set()
    metrics.visitors.set_function(lambda: len(connections))

    async def accept(socket: WebSocket) -> None:
        if not (is_logged_in(socket) and is_same_site(socket)):
            metrics.refused.labels("cross_site").inc()
            return await socket.close()  # before it is accepted: HTTP 403
        await socket.accept()
        if len(connections) >= MAX_VISITORS:
            metrics.refused.labels("full").inc()
            return await socket.close(TRY_AGAIN_LATER)
        connection = _Connection(socket, answers, metrics)
        connections.add(connection)
        try:
            await connection.serve()
        finally:
            connections.remove(connection)
            connection.end()

    return WebSocketRoute(PATH, accept)


def configure_server(page: gr.Blocks) -> None:
    """Configures the web server of a launched page for live connections."""
    page.server.config.ws_per_message_deflate = False  # slower than everything else in an answer
    page.server.config.ws_max_size = MAX_MESSAGE_BYTES
    page._queue.sleep_when_free = QUEUE_SECONDS
    page._queue.progress_update_sleep_when_free = PROGRESS_SECONDS
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux; accepted connections inherit it
        for listener in page.server.servers[0].sockets:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)


class _Connection:
    """The connection of one visitor."""

    def __init__(self, socket: WebSocket, answers: Answers, metrics: Metrics):
        self._socket, self._answers, self._metrics = socket, answers, metrics
        self._visitor = secrets.token_hex(8)
        self._pending: tuple[Question, float] | None = None  # next prediction, and when it arrived
        self._is_predicting = False
        self._tasks: set[asyncio.Task] = set()
        self._slots = asyncio.Semaphore(MAX_QUESTIONS)

    async def serve(self) -> None:
        """Answers questions until the visitor disconnects."""
        while (message := await self._socket.receive())["type"] == "websocket.receive":
            received = time.perf_counter()
            question = self._parse(message.get("bytes") or b"")
            if question is None:
                await self._send(UNREADABLE)
            elif question.get("ask") == "predict":
                await self._predict_next(question, received)
            else:
                await self._slots.acquire()
                task = self._start(self._answer(question, received))
                task.add_done_callback(lambda _: self._slots.release())

    def end(self) -> None:
        """Cancels the questions in progress."""
        for task in self._tasks:
            task.cancel()
        self._answers.forget(self._visitor)

    def _parse(self, message: bytes) -> Question | None:
        head, _, content = message.partition(b"\n")
        try:
            fields = orjson.loads(head)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(fields, dict) or not isinstance(fields.get("id"), int | None):
            return None
        return Question(self._visitor, fields, content)

    async def _predict_next(self, question: Question, received: float) -> None:
        superseded, self._pending = self._pending, (question, received)
        if not self._is_predicting:
            self._is_predicting = True
            self._start(self._predict_pending())
        if superseded:
            self._metrics.superseded.inc()
            await self._send({"id": superseded[0].get("id"), "superseded": True})
            await asyncio.sleep(FRAME_SECONDS)

    async def _predict_pending(self) -> None:
        try:
            while self._pending:
                (question, received), self._pending = self._pending, None
                await self._answer(question, received)
        finally:
            self._is_predicting = False

    async def _answer(self, question: Question, received: float) -> None:
        answer = await self._answers.answer(question)
        took = 1000 * (time.perf_counter() - received)
        await self._send({"id": question.get("id"), "took": round(took, 1), **answer})

    async def _send(self, answer: Answer) -> None:
        sheet = answer.pop("sheet", None)
        head = orjson.dumps(answer)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the socket is closed
            await self._socket.send_bytes(head if sheet is None else b"%b\n%b" % (head, sheet))

    def _start(self, coroutine: Coroutine) -> asyncio.Task:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
