"""The browser's modules, served under the hash of their content: an upgrade is never half.

A page asks for the modules that it came with; it gets those or none, and may keep them for good.
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
    """The route of all modules."""

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
