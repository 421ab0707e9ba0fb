"""Loads the browser's module `language.js` before Gradio, which asks for the language only once."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.scripts import PATH

_HEAD = b"<head>"
_MODULE = f'<script type="module" src=".{PATH}/language.js"></script>'.encode()


class PageLanguage:
    """ASGI middleware that puts the module first into the head of HTML pages."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = False

        async def send_with_module(message: Message) -> None:
            nonlocal is_page
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_page = headers.get("content-type", "").startswith("text/html")
                if is_page:
                    del headers["content-length"]
            elif is_page and message["type"] == "http.response.body":
                message["body"] = message.get("body", b"").replace(_HEAD, _HEAD + _MODULE, 1)
            await send(message)

        await self._app(scope, receive, send_with_module if scope["type"] == "http" else send)
