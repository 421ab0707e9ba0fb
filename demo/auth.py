"""Who may ask: callers with user and password, and visitors who have logged in."""

import base64
import binascii
import secrets
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

ASK_FOR_PASSWORD = {"WWW-Authenticate": 'Basic realm="Layer X-ray"'}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def has_password(request: HTTPConnection, auth: tuple[str, str]) -> bool:
    """Whether a request brings user and password (HTTP Basic, RFC 7617)."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and secrets.compare_digest(given, ":".join(auth).encode())


def is_logged_in(request: HTTPConnection) -> bool:
    """Whether a request brings the cookie that Gradio's login form has set, where there is one."""
    app = request.app
    if app.auth is None:
        return True
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(app.tokens.get(request.cookies.get(name)) is not None for name in names)


def is_same_site(request: HTTPConnection) -> bool:
    """Whether it is the page itself that opens a WebSocket, as far as a browser tells.

    Browsers let any website open a WebSocket to any host, with that host's cookies: so no other may
    reach a page on the visitor's own machine, or one with a login. Other pages are open to all.
    """
    origin = urlsplit(request.headers.get("origin", "")).hostname
    host = request.url.hostname
    forwarded = urlsplit(f"//{request.headers.get('x-forwarded-host', '')}").hostname
    if origin is None or origin in (host, forwarded):
        return True
    return request.app.auth is None and host not in _LOOPBACK
