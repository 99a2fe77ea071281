"""Looks at the replies that pass by for shapes that no document names.

It stands between a run and its transport, changes nothing and decides nothing: one
reply of each shape is kept and compared when the run is over.
"""

from collections import Counter
from dataclasses import dataclass
from threading import Lock

from assets.providers.base import Request
from assets.providers.replies import Phase, Reply
from assets.providers.shapes import ShapesByRequest, differences, signature
from assets.transport.http import Transport

SHAPES = 200
SURPRISES = 20


@dataclass(frozen=True, slots=True)
class Surprise:
    """Something new about the replies to one request.

    Attributes:
        request: Method and path template.
        status: The status code that came with it.
        text: Where in the body, and what was expected; never a value.
        replies: How many replies of this run showed it.
    """

    request: str
    status: int
    text: str
    replies: int


class Watch:
    """A transport that passes everything on and notes the shapes of replies.

    Args:
        transport: Where requests go.
        known: The replies that the provider's documents name.
    """

    def __init__(self, transport: Transport, known: ShapesByRequest) -> None:
        self._transport = transport
        self._known = known
        self._lock = Lock()
        self._seen: Counter[tuple[str, int, bytes]] = Counter()
        self._bodies: dict[tuple[str, int, bytes], bytes] = {}

    def send(self, request: Request) -> Reply:
        """Send once; whatever happens comes back as a reply."""
        reply = self._transport.send(request)
        if reply.phase is Phase.DONE and reply.status is not None:
            self._note(f"{request.method} {request.path_template}", reply)
        return reply

    def close(self) -> None:
        """Give back what the transport holds."""
        self._transport.close()

    def found(self) -> tuple[Surprise, ...]:
        """Return what was new, at most 20 of it, the most frequent first."""
        counts: Counter[tuple[str, int, str]] = Counter()
        for shape, body in self._bodies.items():
            request, status, _ = shape
            for text in differences(self._known[request], status, body):
                counts[request, status, text] += self._seen[shape]
        return tuple(
            Surprise(*where, replies)
            for where, replies in counts.most_common(SURPRISES)
        )

    def _note(self, request: str, reply: Reply) -> None:
        if request not in self._known or reply.status is None:
            return
        shape = (request, reply.status, signature(reply.body))
        with self._lock:
            if shape in self._bodies or len(self._bodies) < SHAPES:
                self._bodies.setdefault(shape, reply.body)
                self._seen[shape] += 1
