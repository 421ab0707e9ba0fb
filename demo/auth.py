"""Authentication of callers, by password, and of visitors, by Gradio's login and their origin."""

import base64
import binascii
import ipaddress
import secrets
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

ASK_FOR_PASSWORD = {"WWW-Authenticate": 'Basic realm="Layer X-ray"'}


def has_password(request: HTTPConnection, auth: tuple[str, str]) -> bool:
    """Whether a request has the user and password (HTTP Basic, RFC 7617)."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and secrets.compare_digest(given, ":".join(auth).encode())


def is_logged_in(request: HTTPConnection) -> bool:
    """Whether a request has the cookie of Gradio's login, or the page has no login."""
    app = request.app
    if app.auth is None:
        return True
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(app.tokens.get(request.cookies.get(name)) is not None for name in names)


def is_same_site(request: HTTPConnection) -> bool:
    """Whether a WebSocket may be opened by the site that the browser names as its origin.

    Browsers let any website open a WebSocket to any host, with that host's cookies. So a page on
    the visitor's own machine, or with a login, accepts no other origin. Other pages accept all.
    """
    if "origin" not in request.headers:
        return True  # not a browser
    origin = _host_of(request.headers["origin"])  # None for "null", from a sandboxed frame
    host = _host_of(f"//{request.headers.get('host', '')}")
    forwarded, _, _ = request.headers.get("x-forwarded-host", "").partition(",")
    if origin is not None and origin in (host, _host_of(f"//{forwarded.strip()}")):
        return True
    return request.app.auth is None and not _is_this_machine(host)


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_this_machine(host: str | None) -> bool:
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host is None or host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
