"""Serves the browser's JavaScript modules under the hash of their content.

A page loads the modules that it was built with or none, never a mix of two releases; browsers may
cache them forever.
"""

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent / "xray" / "scripts"
_SCRIPTS = {path.name: path.read_bytes() for path in sorted(_FOLDER.glob("*.js"))}
_HASH = hashlib.sha256(b"".join(b"%b\n%b\n" % (n.encode(), s) for n, s in _SCRIPTS.items()))
PATH = f"/xray/{_HASH.hexdigest()[:16]}"


def make_scripts_route() -> Route:
    """Returns the route of all modules."""

    def send(request: Request) -> Response:
        script = _SCRIPTS.get(request.path_params["name"])
        if script is None:
            return PlainTextResponse("There is no such module.", 404)
        return Response(
            script,
            media_type="text/javascript",
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    return Route(f"{PATH}/{{name}}", send)
