"""The body of an HTTP request, up to a limit."""

from starlette.requests import Request


async def read_body(request: Request, most: int) -> bytes | None:
    """The body, or None if it has more bytes than `most`; no more of it is ever in memory.

    What is too large is received to its end nevertheless: many clients read no answer before.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most:
            chunks.append(chunk)
        else:
            chunks.clear()
    return b"".join(chunks) if size <= most else None
