"""Clients that come and go: see interop/signalr/soak.test.mjs.

    soak.py URL SECONDS

Each kind visits once, and again until the time is over. Prints the number of visits.
"""

import asyncio
import multiprocessing
import sys
import time

from core_client import EVENTS, POLLING, WEBSOCKET, CoreClient
from py_client import PROTOCOLS, Client


def polite(url, transport, binary=False):
    client = CoreClient(url, transport, binary)
    client.start()
    if client.call("echo", "hi") != "hi":
        raise AssertionError("the echo is another")
    client.stop()


async def as_task(url, protocol):
    client = Client(url, PROTOCOLS[protocol]())
    await client.start()
    await client.call("join", "visitors")
    await client.client.stream("endless", ["left"])
    await client.stop()


def connected(url, transport, ready):
    CoreClient(url, transport).start()
    ready.set()
    time.sleep(60)


def killed(url, transport):
    """A client whose process ends at once."""
    spawning = multiprocessing.get_context("spawn")
    ready = spawning.Event()
    process = spawning.Process(target=connected, args=(url, transport, ready), daemon=True)
    process.start()
    try:
        if not ready.wait(30):
            raise TimeoutError("the client that is to be killed does not connect")
    finally:
        process.kill()
        process.join()


def main(url, seconds):
    visits = [
        lambda: polite(url, WEBSOCKET),
        lambda: polite(url, WEBSOCKET, binary=True),
        lambda: polite(url, EVENTS),
        lambda: asyncio.run(as_task(url, "json")),
        lambda: asyncio.run(as_task(url, "messagepack")),
        lambda: killed(url, WEBSOCKET),
        lambda: killed(url, EVENTS),
        lambda: killed(url, POLLING),
    ]
    end = time.monotonic() + float(seconds)
    count = 0
    while count < len(visits) or time.monotonic() < end:
        visits[count % len(visits)]()
        count += 1
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
