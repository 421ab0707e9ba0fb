"""The live connection: one WebSocket for each visitor, on which a drawing goes the shortest way.

A message is a JSON object and, after a line feed, bytes: a question carries a drawing's pixels, an
answer the PNG of the layers. An answer has its question's `id` and says how many milliseconds it
`took`. Questions may overtake each other, but a visitor's drawings are looked at one at a time, and
one that still waits when the next one comes is not read: its answer is `{"overtaken": true}`.

Source: RFC 6455.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Coroutine

import gradio as gr
import orjson
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from demo.answers import Answer, Answers, Question
from demo.auth import is_logged_in, is_same_site
from demo.metrics import Metrics

PATH = "/xray/live"
LARGEST_MESSAGE = 2**16  # bytes; a drawing has 12,544 and its question some 300
MOST_VISITORS = 512  # at once: each has a file descriptor and up to 0.4 MB of activations
MOST_QUESTIONS = 8  # of one visitor under way; then the next ones are not even received
# How often Gradio's queue looks for pictures to read. Its own 1 and 10 ms take 2% of a core from
# those who draw.
QUEUE_SECONDS, PROGRESS_SECONDS = 0.02, 0.2
NO_ROOM = 1013  # RFC 6455's registry: "try again later"
UNREADABLE = {"error": "A question must be a JSON object in a binary message.", "final": True}


def make_live_route(answers: Answers, metrics: Metrics) -> WebSocketRoute:
    """The route on which all visitors are answered."""
    visits: set[_Visit] = set()
    metrics.visitors.set_function(lambda: len(visits))

    async def welcome(socket: WebSocket) -> None:
        if not (is_logged_in(socket) and is_same_site(socket)):
            return await socket.close()  # before it is accepted: HTTP's 403
        await socket.accept()
        if len(visits) >= MOST_VISITORS:
            metrics.refused.inc()
            return await socket.close(NO_ROOM)
        visit = _Visit(socket, answers, metrics)
        visits.add(visit)
        try:
            await visit.serve()
        finally:
            visits.remove(visit)
            visit.end()

    return WebSocketRoute(PATH, welcome)


def fit_for_live(page: gr.Blocks) -> None:
    """Sets up a page that has been launched for these connections."""
    page.server.config.ws_per_message_deflate = False  # costs more than all the rest of an answer
    page.server.config.ws_max_size = LARGEST_MESSAGE
    page._queue.sleep_when_free = QUEUE_SECONDS
    page._queue.progress_update_sleep_when_free = PROGRESS_SECONDS


class _Visit:
    """One visitor's connection."""

    def __init__(self, socket: WebSocket, answers: Answers, metrics: Metrics):
        self._socket, self._answers, self._metrics = socket, answers, metrics
        self._visitor = secrets.token_hex(8)
        self._newest: Question | None = None  # the drawing to look at next
        self._is_looking = False
        self._tasks: set[asyncio.Task] = set()
        self._places = asyncio.Semaphore(MOST_QUESTIONS)

    async def serve(self) -> None:
        """Answers until the visitor leaves."""
        while (message := await self._socket.receive())["type"] == "websocket.receive":
            question = self._read(message.get("bytes") or b"")
            if question is None:
                await self._send(UNREADABLE)
            elif question.get("ask") == "look_at":
                await self._look_next(question)
            else:
                await self._places.acquire()
                task = self._start(self._answer(question))
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
        return Question(self._visitor, fields, pixels) if isinstance(fields, dict) else None

    async def _look_next(self, question: Question) -> None:
        overtaken, self._newest = self._newest, question
        if not self._is_looking:
            self._is_looking = True
            self._start(self._look())
        if overtaken:
            self._metrics.overtaken.inc()
            await self._send({"id": overtaken.get("id"), "overtaken": True})

    async def _look(self) -> None:
        while question := self._newest:
            self._newest = None
            await self._answer(question)
        self._is_looking = False

    async def _answer(self, question: Question) -> None:
        started = time.perf_counter()
        answer = await self._answers.answer(question)
        took = 1000 * (time.perf_counter() - started)
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
