"""A provider that answers after a while and fails now and then; for measuring only.

    python -m benchmarks.stub PORT LATENCY_SECONDS FAILING_SHARE

It runs in a process of its own, so that its work is not counted as the exporter's.
"""

import asyncio
import random
import sys

HEAD = (
    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
    "Content-Length: 2\r\n\r\n{{}}"
)
GOOD = HEAD.format(status=200).encode()
BAD = HEAD.format(status=500).encode()


async def _answer(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    latency: float,
    failing: float,
) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            told = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(told or 0))
            await asyncio.sleep(latency)
            writer.write(BAD if random.random() < failing else GOOD)
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
