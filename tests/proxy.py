"""A reverse proxy in front of a page: serves it under a path, or without WebSockets."""

import asyncio
import threading
from urllib.parse import urlsplit


class Proxy:
    """Forwards requests to a page, as a context manager that returns the proxy's URL.

    Args:
        page: the page's URL.
        path: path prefix of the page, removed from forwarded requests.
        has_upgrades: whether WebSockets are forwarded; nginx does not by default.
    """

    def __init__(self, page: str, path: str = "", *, has_upgrades: bool = True):
        self._page, self._path, self._has_upgrades = urlsplit(page), path, has_upgrades
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result(10)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}{self._path}/"

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards one request and closes its connection, unless it becomes a WebSocket."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            page_reader, page_writer = await asyncio.open_connection(
                self._page.hostname, self._page.port
            )
            page_writer.write(self._rewrite(head))
            await asyncio.gather(_forward(reader, page_writer), _forward(page_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the browser has disconnected
        finally:
            writer.close()

    def _rewrite(self, head: bytes) -> bytes:
        request, *headers = head.rstrip().split(b"\r\n")
        method, path, version = request.split(b" ")
        assert path.startswith(self._path.encode()), path
        is_upgrade = any(header.lower().startswith(b"upgrade:") for header in headers)
        if not (is_upgrade and self._has_upgrades):
            hop_by_hop = (b"connection:", b"upgrade:")
            headers = [header for header in headers if not header.lower().startswith(hop_by_hop)]
            headers.append(b"Connection: close")
        request = b" ".join((method, path[len(self._path) :] or b"/", version))
        return b"\r\n".join((request, *headers, b"", b""))


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(2**16):
        writer.write(chunk)
        await writer.drain()
    writer.close()
