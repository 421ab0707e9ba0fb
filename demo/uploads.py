"""Uploads to Gradio 6, with what it lacks: clean-up after failures, and checks of all paths."""

import contextlib
import errno
from pathlib import Path

import gradio as gr
from gradio import route_utils, routes
from gradio.data_classes import ImageData
from gradio.utils import is_in_or_equal
from PIL import Image
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse

DISK_IS_FULL = (
    "The disk of the page's server is full, so your picture was not classified. Please send it "
    "later."
)


class UploadedImage(gr.Image):
    """`gr.Image` for uploaded pictures only.

    Gradio checks the path in a request only if the request marks it as a file (`meta`). `gr.Image`
    also opens unmarked paths, and so any picture on this machine.
    """

    is_template = True  # shown in the browser as gr.Image

    def preprocess(self, payload: ImageData | None) -> Image.Image | None:
        if payload and payload.path and not is_in_or_equal(payload.path, self.GRADIO_CACHE):
            raise gr.Error("The picture must be uploaded first; a path on the server is refused.")
        return super().preprocess(payload)


class _Parser(route_utils.GradioMultiPartParser):
    """Removes the files of any failed upload; Gradio removes those of malformed ones only."""

    async def parse(self) -> FormData:
        try:
            return await super().parse()
        except BaseException:  # including the cancellation when the visitor disconnects
            for file in self._files_to_close_on_error:
                with contextlib.suppress(OSError):  # the disk may be full
                    file.close()
                Path(file.name).unlink(missing_ok=True)
            raise


def remove_failed_uploads() -> None:
    """Patches Gradio to remove the files of uploads that fail."""
    for module in (route_utils, routes):
        module.GradioMultiPartParser = _Parser


def report_full_disk(request: Request, error: OSError) -> PlainTextResponse:
    """Answers a request that failed because the disk is full; raises any other error again."""
    if error.errno != errno.ENOSPC:
        raise error
    return PlainTextResponse(DISK_IS_FULL, 507)
