"""The web application of the sandbox."""

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipelines.sandbox.responses import respond
from pipelines.sandbox.simulator import Sandbox

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_INDEX = """\
This server simulates four providers. Use one of these as the base_url of a destination:

  impact     /impact
  convert    /convert
  trackdesk  /trackdesk/<tenant>
  idme       /idme/<app>/events (endpoint_url)

GET /journal?provider=&account= lists the requests received, one JSON object a line.
"""


def create_app(sandbox: Sandbox) -> Starlette:
    """Return the web application that serves a sandbox."""

    async def show_index(_request: Request) -> Response:
        return PlainTextResponse(_INDEX)

    async def show_journal(request: Request) -> Response:
        lines = [
            entry.to_line()
            for entry in sandbox.journal.entries
            if request.query_params.get("provider", entry.provider) == entry.provider
            and request.query_params.get("account", entry.account) == entry.account
        ]
        return Response("".join(lines), media_type="application/x-ndjson")

    async def answer(request: Request) -> Response:
        path = request.scope["raw_path"].decode("ascii")
        query = request.scope["query_string"].decode("ascii")
        target = f"{path}?{query}" if query else path
        headers = dict(request.headers)
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response()  # an incomplete request; the client has disconnected
        return await respond(sandbox.receive(request.method, target, headers, body))

    return Starlette(
        routes=[
            Route("/", show_index),
            Route("/journal", show_journal),
            *(
                Route(f"/{name}/{{path:path}}", answer, methods=_METHODS)
                for name in sandbox.providers
            ),
        ]
    )
