"""A member of a room, by signalrcore: see interop/signalr/room.test.mjs.

    member_signalrcore.py URL TRANSPORT PROTOCOL NAME MESSAGES ALL
"""

import json
import sys

from core_client import EVENTS, POLLING, WEBSOCKET, CoreClient


def main(url, transport, protocol, name, messages, everyones):
    kinds = {"websocket": WEBSOCKET, "sse": EVENTS, "polling": POLLING}
    client = CoreClient(url, kinds[transport], protocol == "messagepack")
    heard = client.hears("shouted")
    client.start()
    client.call("join", "room")
    print("ready", flush=True)
    sys.stdin.readline()
    for i in range(int(messages)):
        client.begin("shout", "room", f"{name} {i}")
    texts = [text for _, text in heard.counts(int(everyones), seconds=60)]
    print(json.dumps(texts), flush=True)
    sys.stdin.read()
    client.stop()


main(*sys.argv[1:])
