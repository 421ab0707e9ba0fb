"""Reads the body of an HTTP request up to a limit."""

from starlette.requests import Request


async def read_body(request: Request, limit: int) -> bytes | None:
    """Reads a request's body without ever holding more than `limit` bytes of it.

    A larger body is received to its end, because many clients read no answer before they have sent
    everything.

    Args:
        request: the request.
        limit: largest accepted size in bytes.

    Returns:
        The body, or None if it is larger than the limit.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()
    return b"".join(chunks) if size <= limit else None
