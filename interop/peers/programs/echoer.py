"""What a peer does, whatever its implementation: see ../doc.go."""

import hashlib
import json
from urllib.parse import parse_qs, urlsplit


class Echoer:
    """Has one conversation. What is to be sent is handed out, for it to be sent in whatever way."""

    def __init__(self, url):
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.after = int(query["after"])
        self.code = int(query["code"])
        self.reason = query["reason"]
        self.digest = bytes(32)
        self.report = {"id": query["id"], "messages": 0, "pings": 0, "pongs": 0}

    def message(self, data):
        """Notes a message, and returns it in the pieces in which it is to be echoed."""
        text = isinstance(data, str)
        self.report["messages"] += 1
        plain = data.encode() if text else data
        self.digest = hashlib.sha256(self.digest + (b"t" if text else b"b") + plain).digest()
        if self.report["messages"] % 3 != 0:
            return [data]
        half = len(data) // 2
        return [data[:half], data[half:]]

    def wants_ping(self):
        """Tells, after a message, whether it goes with a ping, and counts that."""
        wants = self.report["messages"] % 20 == 1
        self.report["pings"] += wants
        return wants

    def is_last(self):
        """Tells, after a message, whether it is time to close."""
        return self.report["messages"] == self.after

    def ponged(self):
        self.report["pongs"] += 1

    def failed(self, error):
        self.report["error"] = repr(error)

    def closed(self, code, reason, extensions):
        """Prints the report."""
        rest = {"digest": self.digest.hex(), "code": code, "reason": reason, "extensions": extensions}
        print(json.dumps(self.report | rest), flush=True)


def listening(port):
    print(json.dumps({"url": f"ws://127.0.0.1:{port}/"}), flush=True)
