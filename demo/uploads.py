"""Uploads that fail: they leave no file behind, and an upload to a full disk says why it failed.

Gradio 6 removes what has arrived of an upload only if it is malformed, not if the visitor goes away
or the disk is full.
"""

import contextlib
import errno
from pathlib import Path

from gradio import route_utils, routes
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse

DISK_IS_FULL = (
    "The disk of the page's server is full. Your picture has not been read; send it later."
)


class _Parser(route_utils.GradioMultiPartParser):
    async def parse(self) -> FormData:
        try:
            return await super().parse()
        except BaseException:  # a visitor who goes away ends it as well
            for file in self._files_to_close_on_error:
                with contextlib.suppress(OSError):  # what cannot be written is not missed
                    file.close()
                Path(file.name).unlink(missing_ok=True)
            raise


def remove_failed_uploads() -> None:
    """Has Gradio's server leave nothing of uploads that fail."""
    for module in (route_utils, routes):
        module.GradioMultiPartParser = _Parser


def tell_full_disk(request: Request, error: OSError) -> PlainTextResponse:
    """The answer to a request that has met a full disk; any other error is raised again."""
    if error.errno != errno.ENOSPC:
        raise error
    return PlainTextResponse(DISK_IS_FULL, 507)
