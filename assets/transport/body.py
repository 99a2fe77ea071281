"""Reads the body of a reply: not more than is needed, and whether it came whole.

What it says is for a provider module to read.
"""

import zlib
from collections.abc import Iterator

import requests
from urllib3.exceptions import HTTPError

_PIECE = 8192


def read_body(response: requests.Response, limit: int) -> tuple[bytes, str | None]:
    """Read at most `limit` bytes; return them, and why they are not whole, or None.

    We ask for no encoding; gzip is understood all the same, because some servers send
    it unasked, and counts as whole only with its end: an inflating reader that meets
    the end of the stream too early says nothing.
    """
    body = bytearray()
    try:
        decoder = _decoder(response.headers.get("content-encoding", ""))
        for piece in response.raw.stream(_PIECE, decode_content=False):
            for decoded in decoder.decode(piece):
                body += decoded
                if len(body) > limit:
                    return bytes(body[:limit]), "reply_too_large"
    except (requests.RequestException, HTTPError, zlib.error, ValueError) as broken:
        # Only the kind: the text of such an exception may carry the URL.
        return bytes(body), type(broken).__name__
    finally:
        response.close()
    return bytes(body), None if decoder.is_whole else "cut_off"


class _Plain:
    is_whole = True

    def decode(self, piece: bytes) -> Iterator[bytes]:
        yield piece


class _Zipped:
    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.is_whole = True

    def decode(self, piece: bytes) -> Iterator[bytes]:
        """Inflate in small steps: a reply may be a bomb."""
        decoded = bytes(_PIECE)
        while piece or len(decoded) == _PIECE:
            decoded = self._inflater.decompress(piece, _PIECE)
            piece = self._inflater.unconsumed_tail
            yield decoded
        self.is_whole = self._inflater.eof


def _decoder(encoding: str) -> _Plain | _Zipped:
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Zipped()
    message = "an encoding that nobody asked for"
    raise ValueError(message)
