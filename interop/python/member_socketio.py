"""A member of a room, by python-socketio: see interop/socketio/room.test.mjs.

    member_socketio.py URL Client|AsyncClient TRANSPORT NAME MESSAGES ALL
"""

import json
import sys

import engineio.payload
import socketio_clients

# The client gives up at more packets in one poll than 16; this is how its manual has one change that.
engineio.payload.Payload.max_decode_packets = 10_000


def main(url, kind, transport, name, messages, everyones):
    client = getattr(socketio_clients, kind)()
    client.connect(url, transport, "judge/socket.io")
    client.call("join", "room")
    print("ready", flush=True)
    sys.stdin.readline()
    for i in range(int(messages)):
        client.emit("shout", "room", f"{name}: {i}")
    heard = client.events.counts(int(everyones), lambda event: event[1] == "shouted", seconds=60)
    print(json.dumps([text for _, _, _, text in heard]), flush=True)
    sys.stdin.read()
    client.disconnect()


main(*sys.argv[1:])
