"""The live connection: one WebSocket for each visitor, on which a drawing goes the shortest way.

A message is a JSON object and, after a line feed, bytes: a question carries a picture, an answer
the PNG of the layers. An answer has its question's `id` and says how many milliseconds it `took`.
Questions may overtake each other, but a visitor's pictures are looked at one at a time, and
one that still waits when the next one comes is not read: its answer is `{"superseded": true}`.

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

from demo.answers import Answer, Answers, Question
from demo.auth import is_logged_in, is_same_site
from demo.metrics import Metrics
from demo.visitor_cache import MAX_VISITORS

PATH = "/xray/live"
MAX_MESSAGE_BYTES = 2**19  # bytes; a drawing has 12,544, a picture of 224x224 pixels at most 150 kB
MAX_QUESTIONS = 8  # of one visitor under way; then the next ones are not even received
FRAME_SECONDS = 1 / 60  # after a drawing that was superseded the next is received: no flood
# How often Gradio's queue looks for pictures to read. Its own 1 and 10 ms cost 2% of a core.
QUEUE_SECONDS, PROGRESS_SECONDS = 0.02, 0.2
TRY_AGAIN_LATER = 1013  # RFC 6455's registry
TAKE_MS = 30_000  # that a visitor may leave what was sent to them unreceived
UNREADABLE = {
    "error": "A question must be a JSON object in a binary message, and its id a number.",
    "final": True,
}


def make_live_route(answers: Answers, metrics: Metrics) -> WebSocketRoute:
    """The route on which all visitors are answered."""
    visits: set[_Visit] = set()
    metrics.visitors.set_function(lambda: len(visits))

    async def accept(socket: WebSocket) -> None:
        if not (is_logged_in(socket) and is_same_site(socket)):
            metrics.refused.labels("cross_site").inc()
            return await socket.close()  # before it is accepted: HTTP's 403
        await socket.accept()
        if len(visits) >= MAX_VISITORS:
            metrics.refused.labels("full").inc()
            return await socket.close(TRY_AGAIN_LATER)
        visit = _Visit(socket, answers, metrics)
        visits.add(visit)
        try:
            await visit.serve()
        finally:
            visits.remove(visit)
            visit.end()

    return WebSocketRoute(PATH, accept)


def configure_server(page: gr.Blocks) -> None:
    """Sets up the server of a page that has been launched for these connections."""
    page.server.config.ws_per_message_deflate = False  # costs more than all the rest of an answer
    page.server.config.ws_max_size = MAX_MESSAGE_BYTES
    page._queue.sleep_when_free = QUEUE_SECONDS
    page._queue.progress_update_sleep_when_free = PROGRESS_SECONDS
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux; connections inherit it
        for listening in page.server.servers[0].sockets:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TAKE_MS)


class _Visit:
    """One visitor's connection."""

    def __init__(self, socket: WebSocket, answers: Answers, metrics: Metrics):
        self._socket, self._answers, self._metrics = socket, answers, metrics
        self._visitor = secrets.token_hex(8)
        self._next: tuple[Question, float] | None = None  # to look at, and when it came
        self._is_looking = False
        self._tasks: set[asyncio.Task] = set()
        self._places = asyncio.Semaphore(MAX_QUESTIONS)

    async def serve(self) -> None:
        """Answers until the visitor leaves."""
        while (message := await self._socket.receive())["type"] == "websocket.receive":
            received = time.perf_counter()
            question = self._read(message.get("bytes") or b"")
            if question is None:
                await self._send(UNREADABLE)
            elif question.get("ask") == "predict":
                await self._look_next(question, received)
            else:
                await self._places.acquire()
                task = self._start(self._answer(question, received))
                task.add_done_callback(lambda _: self._places.release())

    def end(self) -> None:
        """Drops what nobody waits for any more."""
        for task in self._tasks:
            task.cancel()
        self._answers.forget(self._visitor)

    def _read(self, message: bytes) -> Question | None:
        head, _, pixels = message.partition(b"\n")
        try:
            fields = orjson.loads(head)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(fields, dict) or not isinstance(fields.get("id"), int | None):
            return None
        return Question(self._visitor, fields, pixels)

    async def _look_next(self, question: Question, received: float) -> None:
        superseded, self._next = self._next, (question, received)
        if not self._is_looking:
            self._is_looking = True
            self._start(self._look())
        if superseded:
            self._metrics.superseded.inc()
            await self._send({"id": superseded[0].get("id"), "superseded": True})
            await asyncio.sleep(FRAME_SECONDS)

    async def _look(self) -> None:
        try:
            while self._next:
                (question, received), self._next = self._next, None
                await self._answer(question, received)
        finally:
            self._is_looking = False

    async def _answer(self, question: Question, received: float) -> None:
        answer = await self._answers.answer(question)
        took = 1000 * (time.perf_counter() - received)
        await self._send({"id": question.get("id"), "took": round(took, 1), **answer})

    async def _send(self, answer: Answer) -> None:
        sheet = answer.pop("sheet", None)
        head = orjson.dumps(answer)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it is closed, or closing
            await self._socket.send_bytes(head if sheet is None else b"%b\n%b" % (head, sheet))

    def _start(self, work: Coroutine) -> asyncio.Task:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
