"""A reverse proxy before a page: under a path, or one that passes no WebSocket on."""

import asyncio
import threading
from urllib.parse import urlsplit


class Proxy:
    """Passes requests on to a page, as a context manager that yields its own address.

    Args:
        page: the page's URL.
        path: that the page is served under, which it does not see itself.
        has_upgrades: whether connections may become WebSockets; nginx, unless told to, lets none.
    """

    def __init__(self, page: str, path: str = "", *, has_upgrades: bool = True):
        self._page, self._path, self._has_upgrades = urlsplit(page), path, has_upgrades
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}{self._path}/"

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, then its connection ends, unless it has become a WebSocket."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            far_reader, far_writer = await asyncio.open_connection(
                self._page.hostname, self._page.port
            )
            far_writer.write(self._rewrite(head))
            await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the browser has gone
        finally:
            writer.close()

    def _rewrite(self, head: bytes) -> bytes:
        request, *headers = head.rstrip().split(b"\r\n")
        method, path, version = request.split(b" ")
        assert path.startswith(self._path.encode()), path
        is_upgrade = any(header.lower().startswith(b"upgrade:") for header in headers)
        if not (is_upgrade and self._has_upgrades):
            hop_by_hop = (b"connection:", b"upgrade:")
            headers = [each for each in headers if not each.lower().startswith(hop_by_hop)]
            headers.append(b"Connection: close")
        request = b" ".join((method, path[len(self._path) :] or b"/", version))
        return b"\r\n".join((request, *headers, b"", b""))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while received := await reader.read(2**16):
        writer.write(received)
        await writer.drain()
    writer.close()
