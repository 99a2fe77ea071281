"""Finds replies whose shape the provider's documents do not describe.

The recorder stands between a run and its transport. It changes nothing and decides
nothing. It keeps one reply of each shape, and compares them when the run is over.
"""

from collections import Counter
from dataclasses import dataclass
from threading import Lock

from assets.providers.base import Request
from assets.providers.replies import Phase, Reply
from assets.providers.shapes import ShapesByRequest, differences, signature
from assets.transport.http import Transport

MAX_SHAPES = 200
MAX_REPORTED = 20


@dataclass(frozen=True, slots=True)
class UnexpectedShape:
    """One difference between the replies to a request and the provider's documents.

    Attributes:
        request: Method and path template.
        status: The status code of the replies.
        text: Where in the body the difference is, and what was expected; never a value.
        replies: How many replies of this run had it.
    """

    request: str
    status: int
    text: str
    replies: int


class ReplyShapeRecorder:
    """A transport that passes everything on and records the shapes of replies.

    Args:
        transport: Sends the requests.
        documented: The replies that the provider's documents describe.
    """

    def __init__(self, transport: Transport, documented: ShapesByRequest) -> None:
        self._transport = transport
        self._documented = documented
        self._lock = Lock()
        self._counts: Counter[tuple[str, int, bytes]] = Counter()
        self._bodies: dict[tuple[str, int, bytes], bytes] = {}

    def send(self, request: Request) -> Reply:
        """Send a request once. A failure is returned as a reply."""
        reply = self._transport.send(request)
        if reply.phase is Phase.DONE and reply.status is not None:
            self._record(f"{request.method} {request.path_template}", reply)
        return reply

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def unexpected(self) -> tuple[UnexpectedShape, ...]:
        """Return at most 20 unexpected shapes, the most frequent first."""
        counts: Counter[tuple[str, int, str]] = Counter()
        for shape, body in self._bodies.items():
            request, status, _ = shape
            for text in differences(self._documented[request], status, body):
                counts[request, status, text] += self._counts[shape]
        return tuple(
            UnexpectedShape(*key, replies)
            for key, replies in counts.most_common(MAX_REPORTED)
        )

    def _record(self, request: str, reply: Reply) -> None:
        if request not in self._documented or reply.status is None:
            return
        shape = (request, reply.status, signature(reply.body))
        with self._lock:
            if shape in self._bodies or len(self._bodies) < MAX_SHAPES:
                self._bodies.setdefault(shape, reply.body)
                self._counts[shape] += 1
