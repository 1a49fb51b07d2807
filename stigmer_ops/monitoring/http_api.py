"""What the HTTP APIs of Prometheus and of Alertmanager have in common."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from stigmer_ops.errors import InputError


def base_url(url: str, of: str) -> str:
    """A base URL as its paths are added to it: without a slash at its end.

    Args:
        url: As someone gave it; a user and password may be in it.
        of: Whose it is, for the message, which does not show it.

    Raises:
        InputError: It is not of the form http(s)://host:port.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"the URL of {of} is not of the form http(s)://host:port")
    return url.rstrip("/")


def reason_of(error: BaseException) -> str:
    """The innermost reason: requests and urllib3 wrap the operating system's."""
    reason = getattr(error, "reason", None) or (error.args[0] if error.args else error)
    if isinstance(reason, BaseException) and reason is not error:
        return reason_of(reason)
    text = str(reason)
    return text.rpartition(": ")[2] if "Errno" in text else text


def without_credentials(url: str) -> str:
    """The URL without user and password, to be shown."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
