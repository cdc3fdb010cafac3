"""What HTTP means in every version: status codes (RFC 9110)."""

from __future__ import annotations

from http import HTTPStatus

__all__ = ["reason_phrase"]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
# The standard library's tables differ between Python versions; these are the names of RFC 9110
# and the IANA registry.
_REASONS.update(
    {
        413: "Content Too Large",
        414: "URI Too Long",
        416: "Range Not Satisfiable",
        418: "Unused",
        422: "Unprocessable Content",
    }
)

_CLASSES = {
    1: "Informational",
    2: "Success",
    3: "Redirection",
    4: "Client Error",
    5: "Server Error",
}


def reason_phrase(status: int) -> str:
    """Return the registered phrase of a status code; that of its class for one without."""
    # RFC 9110 section 15: a client treats an unknown code as the x00 of its class.
    return _REASONS.get(status) or _CLASSES.get(status // 100, "Unknown")
