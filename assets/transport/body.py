"""Reads the body of a reply up to a limit, and tells whether it came whole.

What a body means is decided by a provider module.
"""

import zlib
from collections.abc import Iterator

import requests
from urllib3.exceptions import HTTPError

_CHUNK_BYTES = 8192


def read_body(response: requests.Response, limit: int) -> tuple[bytes, str | None]:
    """Read at most `limit` bytes; return them, and why they are not whole, or None.

    The request asks for no encoding. Gzip is decoded all the same, because some servers
    send it unasked. A gzip body counts as whole only with its end marker: a decoder
    that meets the end of the stream too early raises nothing.

    Args:
        response: A response whose body was not read yet. It is closed here.
        limit: The maximum size of the decoded body, in bytes.
    """
    body = bytearray()
    try:
        decoder = _decoder(response.headers.get("content-encoding", ""))
        for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
            for decoded in decoder.decode(chunk):
                body += decoded
                if len(body) > limit:
                    return bytes(body[:limit]), "reply_too_large"
    except (requests.RequestException, HTTPError, zlib.error, ValueError) as error:
        # Only the class: the text of such an exception may hold the URL.
        return bytes(body), type(error).__name__
    finally:
        response.close()
    return bytes(body), None if decoder.is_whole else "cut_off"


class _Identity:
    is_whole = True

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk


class _Gzip:
    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.is_whole = True

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Inflate in small steps: a reply may be a decompression bomb."""
        decoded = bytes(_CHUNK_BYTES)
        while chunk or len(decoded) == _CHUNK_BYTES:
            decoded = self._inflater.decompress(chunk, _CHUNK_BYTES)
            chunk = self._inflater.unconsumed_tail
            yield decoded
        self.is_whole = self._inflater.eof


def _decoder(encoding: str) -> _Identity | _Gzip:
    match encoding.strip().lower():
        case "" | "identity":
            return _Identity()
        case "gzip" | "x-gzip":
            return _Gzip()
    message = "expected no content encoding or gzip"
    raise ValueError(message)
