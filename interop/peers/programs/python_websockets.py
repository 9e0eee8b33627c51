"""PyPI's websockets as a peer: python_websockets.py client URL..., or python_websockets.py server."""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from echoer import Echoer, listening

OPTIONS = {"max_size": 1 << 20, "ping_interval": None}


async def talk(ws, url):
    peer = Echoer(url)
    try:
        async for message in ws:
            pieces = peer.message(message)
            await ws.send(pieces if len(pieces) > 1 else message)
            if peer.wants_ping():
                (await ws.ping()).add_done_callback(lambda pong: pong.cancelled() or pong.exception() or peer.ponged())
            if peer.is_last():
                await ws.close(peer.code, peer.reason)
    except ConnectionClosed as error:
        if error.rcvd is None:
            peer.failed(error)
    close = ws.protocol.close_rcvd
    names = ", ".join(extension.name for extension in ws.protocol.extensions)
    peer.closed(close.code if close else 1006, close.reason if close else "", names)


async def be_client(urls):
    for url in urls:
        async with connect(url, **OPTIONS) as ws:
            await talk(ws, url)


async def be_server():
    async with serve(lambda ws: talk(ws, ws.request.path), "127.0.0.1", 0, **OPTIONS) as server:
        listening(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(sys.stdin.read)


asyncio.run(be_server() if sys.argv[1] == "server" else be_client(sys.argv[2:]))
