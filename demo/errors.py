"""What can be wrong with what a browser asks, besides the model server."""


class RequestError(Exception):
    """The page never sends such a request; the message says what is wrong with it."""


class Expired(Exception):
    """The page no longer keeps what the request is about."""
