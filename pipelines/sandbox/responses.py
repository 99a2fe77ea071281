"""How a reply travels: whole, late, in part, or not at all.

The only place that reaches below HTTP. uvicorn answers 500 for an application that
says nothing, so the protocol class here lends each request its transport, and a cut
reply closes that itself.
"""

import asyncio

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipelines.sandbox.exchange import Reply
from pipelines.sandbox.simulator import Exchange

_WITHOUT_BODY = (204, 304)


class TransportProtocol(H11Protocol):
    """Puts the transport of its connection into the state of each request."""

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        """Notes the transport."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class CutResponse(Response):
    """Announces a whole body but sends half of it, or nothing, and closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends what is to be sent, then closes and waits until it is closed."""
        if self.body:
            start = {"type": "http.response.start", "status": self.status_code}
            await send({**start, "headers": self.raw_headers})
            half = self.body[: len(self.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["state"]["transport"].close()
        while (await receive())["type"] != "http.disconnect":
            pass


async def respond(exchange: Exchange) -> Response:
    """The response for an exchange, after the delay that its fault asks for."""
    fault = exchange.fault
    whole = _whole(exchange.reply)
    if fault is None:
        return whole
    if fault.kind in ("drop", "lost_reply"):
        return CutResponse()
    if fault.kind == "half_body":
        return CutResponse(whole.body, whole.status_code, dict(whole.headers))
    if fault.kind == "delay":
        await asyncio.sleep(float(fault.value))
    return whole


def _whole(reply: Reply) -> Response:
    headers = dict(reply.headers)
    if reply.status in _WITHOUT_BODY:
        return Response(status_code=reply.status, headers=headers)
    if isinstance(reply.body, str):
        return HTMLResponse(reply.body, reply.status, headers)
    return JSONResponse(reply.body, reply.status, headers)
