"""A TCP proxy that simulates a slow, silent or broken network."""

import contextlib
import queue
import socket
import threading
import time


class Line:
    """Forwards connections to a server, as a context manager.

    Connections are closed at once if the server cannot be reached.

    Args:
        target: `HOST:PORT` of the server.
        delay: latency in seconds, in each direction.

    Attributes:
        target: `HOST:PORT` to connect to.
    """

    def __init__(self, target: str, delay: float = 0.0):
        host, port = target.rsplit(":", 1)
        self._server, self._delay = (host, int(port)), delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self.target = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "Line":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        _shut_down(self._listener)
        self._listener.close()
        self.drop()

    def cut(self) -> None:
        """Drops all bytes from now on; connections stay open, and new ones are accepted."""
        self._is_cut = True

    def mend(self) -> None:
        """Forwards bytes again and closes the open connections, which have lost some."""
        self._is_cut = False
        self.drop()

    def drop(self) -> None:
        """Closes all open connections."""
        for connection in tuple(self._open):
            _shut_down(connection)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._server) as server:
            self._open |= {client, server}
            answers = threading.Thread(target=self._forward, args=(server, client), daemon=True)
            answers.start()
            self._forward(client, server)
            answers.join()
            self._open -= {client, server}

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        chunks: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        delivery = threading.Thread(target=self._deliver, args=(chunks, sink), daemon=True)
        delivery.start()
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                chunks.put((time.monotonic() + self._delay, chunk))
        chunks.put((time.monotonic() + self._delay, b""))
        delivery.join()

    def _deliver(self, chunks: queue.SimpleQueue, sink: socket.socket) -> None:
        """Sends each chunk when it is due; an empty chunk ends the stream."""
        with contextlib.suppress(OSError):
            while True:
                due, chunk = chunks.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not chunk:
                    return sink.shutdown(socket.SHUT_WR)
                if not self._is_cut:
                    sink.sendall(chunk)


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
