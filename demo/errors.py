"""Errors of the page server itself; those of the model server are in `serving.client`."""


class RequestError(Exception):
    """A malformed request, which the page never sends. The message says what is wrong."""


class Expired(Exception):
    """The request refers to a picture that is no longer cached."""
