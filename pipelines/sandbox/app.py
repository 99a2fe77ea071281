"""The addresses of the sandbox."""

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipelines.sandbox.responses import respond
from pipelines.sandbox.simulator import Sandbox

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_INDEX = """\
A stand-in for four providers. Give a destination one of these as its base_url:

  impact     /impact
  convert    /convert
  trackdesk  /trackdesk/<tenant>
  idme       /idme/<app>/events (endpoint_url)

GET /journal?provider=&account= lists the requests received, one JSON object a line.
"""


def create_app(sandbox: Sandbox) -> Starlette:
    """The web application that answers for `sandbox`."""

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
            return Response()  # half a request is none, and nobody waits for a reply
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
