"""What the HTTP APIs of Prometheus and of Alertmanager have in common."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def is_base_url(url: str) -> bool:
    """Whether it is of the form http(s)://host:port."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


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
