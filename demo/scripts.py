"""Serves the browser's modules and texts under the hash of their content.

A page loads the modules that it was built with or none, never a mix of two releases; browsers may
cache them forever.
"""

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent / "xray"
_MODULES = {path.name: path.read_bytes() for path in sorted(_FOLDER.glob("scripts/*.js"))}
_TEXTS = {f"texts/{path.name}": path.read_bytes() for path in sorted(_FOLDER.glob("texts/*.json"))}
_FILES = _MODULES | _TEXTS
_TYPES = {".js": "text/javascript", ".json": "application/json"}
_HASH = hashlib.sha256(b"".join(b"%b\n%b\n" % (n.encode(), f) for n, f in _FILES.items()))
PATH = f"/xray/{_HASH.hexdigest()[:16]}"


def make_scripts_route() -> Route:
    """Returns the route of all modules and texts."""

    def send(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FILES:
            return PlainTextResponse("There is no such module.", 404)
        return Response(
            _FILES[name],
            media_type=_TYPES[Path(name).suffix],
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    return Route(f"{PATH}/{{name:path}}", send)
