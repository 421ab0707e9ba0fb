"""A line between a client and a server, which can be slow, can fall silent, and can break."""

import contextlib
import queue
import socket
import threading
import time


class Line:
    """Listens on a port of its own and passes bytes on to a server's, as a context manager.

    A connection that finds no server is closed at once.

    Args:
        target: `HOST:PORT` of the server.
        delay: seconds that bytes are under way.
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
        _end(self._listener)
        self._listener.close()
        self.drop()

    def cut(self) -> None:
        """From now on nothing comes through, while connections stay open and can be made."""
        self._is_cut = True

    def mend(self) -> None:
        """Bytes come through again, on new connections: those that were open have lost some."""
        self._is_cut = False
        self.drop()

    def drop(self) -> None:
        """Breaks all connections that are open."""
        for each in tuple(self._open):
            _end(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(self._server) as far:
            self._open |= {near, far}
            back = threading.Thread(target=self._pass_on, args=(far, near), daemon=True)
            back.start()
            self._pass_on(near, far)
            back.join()
            self._open -= {near, far}

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        delivering = threading.Thread(target=self._deliver, args=(under_way, sink), daemon=True)
        delivering.start()
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                under_way.put((time.monotonic() + self._delay, data))
        under_way.put((time.monotonic() + self._delay, b""))
        delivering.join()

    def _deliver(self, under_way: queue.SimpleQueue, sink: socket.socket) -> None:
        """Sends what is under way when it is due; nothing at all is the end."""
        with contextlib.suppress(OSError):
            while True:
                due, data = under_way.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    return sink.shutdown(socket.SHUT_WR)
                if not self._is_cut:
                    sink.sendall(data)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
