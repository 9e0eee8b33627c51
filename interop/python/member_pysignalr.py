"""A member of a room, by pysignalr: see interop/signalr/room.test.mjs.

    member_pysignalr.py URL TRANSPORT PROTOCOL NAME MESSAGES ALL
"""

import asyncio
import json
import sys

from py_client import PROTOCOLS, Client


async def main(url, _, protocol, name, messages, everyones):
    client = Client(url, PROTOCOLS[protocol]())
    heard = client.hears("shouted")
    await client.start()
    await client.call("join", "room")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for i in range(int(messages)):
        await client.client.send("shout", ["room", f"{name} {i}"])
    texts = [(await asyncio.wait_for(heard.get(), 60))[1] for _ in range(int(everyones))]
    print(json.dumps(texts), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await client.stop()


asyncio.run(main(*sys.argv[1:]))
