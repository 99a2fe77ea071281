"""Sends replies: complete, late, in part, or not at all.

No other module works below HTTP. uvicorn replies 500 if an application sends nothing.
The protocol class here therefore gives each request access to its transport, and a
response that is cut closes the transport itself.
"""

import asyncio

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipelines.sandbox.messages import Reply
from pipelines.sandbox.simulator import Exchange

_WITHOUT_BODY = (204, 304)


class TransportProtocol(H11Protocol):
    """Puts the transport of the connection into the state of each request."""

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        """Store the transport."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class CutResponse(Response):
    """Sends the headers and half of the body, or nothing, and closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, close the connection, and wait until it is closed."""
        if self.body:
            start = {"type": "http.response.start", "status": self.status_code}
            await send({**start, "headers": self.raw_headers})
            half = self.body[: len(self.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["state"]["transport"].close()
        while (await receive())["type"] != "http.disconnect":
            pass


async def respond(exchange: Exchange) -> Response:
    """Return the response for an exchange, after the delay of its fault."""
    fault = exchange.fault
    complete = _complete(exchange.reply)
    if fault is None:
        return complete
    if fault.kind in ("drop", "lost_reply"):
        return CutResponse()
    if fault.kind == "half_body":
        return CutResponse(complete.body, complete.status_code, dict(complete.headers))
    if fault.kind == "delay":
        await asyncio.sleep(float(fault.value))
    return complete


def _complete(reply: Reply) -> Response:
    headers = dict(reply.headers)
    if reply.status in _WITHOUT_BODY:
        return Response(status_code=reply.status, headers=headers)
    if isinstance(reply.body, str):
        return HTMLResponse(reply.body, reply.status, headers)
    return JSONResponse(reply.body, reply.status, headers)
