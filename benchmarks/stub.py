"""A provider stub with a latency and a share of failures, for benchmarks.

    python -m benchmarks.stub PORT LATENCY_SECONDS FAILING_SHARE

It runs in its own process, so that its work is not measured.
"""

import asyncio
import random
import sys

REPLY = (
    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
    "Content-Length: 2\r\n\r\n{{}}"
)
OK_REPLY = REPLY.format(status=200).encode()
ERROR_REPLY = REPLY.format(status=500).encode()


async def _answer(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    latency: float,
    failing: float,
) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            await asyncio.sleep(latency)
            writer.write(ERROR_REPLY if random.random() < failing else OK_REPLY)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve(port: int, latency: float, failing: float) -> None:
    server = await asyncio.start_server(
        lambda reader, writer: _answer(reader, writer, latency, failing),
        "127.0.0.1",
        port,
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
