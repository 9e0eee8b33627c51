"""PyPI's python-socketio against a hub: both of its clients, over every transport."""

import unittest

import socketio.exceptions

from server import VALUES, Server
from socketio_clients import AsyncClient, Client

server = None


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.stop()


class Scenarios:
    """What passes in every mode."""

    client = Client
    transport = "polling"
    path = "judge/socket.io"

    def connected(self, *namespaces, auth=None, headers=None, **options):
        client = self.client(namespaces or ("/",), **options)
        self.addCleanup(client.disconnect)
        client.connect(server.url, self.transport, self.path, auth, headers)
        return client

    def test_connects(self):
        client = self.connected()
        self.assertEqual(client.events.counts(1), [("/", "welcome", client.sid())])
        self.assertEqual(len(client.sid()), 20)
        want = {"polling": "polling"}.get(self.transport, "websocket")
        self.assertEqual(client.call("transport"), want)

    def test_values_come_back_as_they_went(self):
        client = self.connected()
        for value in VALUES:
            self.assertEqual(client.call("echo", value), value)
        self.assertEqual(client.call("add", 20, 22), 42)
        self.assertEqual(client.call("big", 900_000), "x" * 900_000)

    def test_bytes_both_ways(self):
        client = self.connected()
        value = {"a": b"\x00\x01\xff", "b": [b"", {"c": b"x" * 70_000}], "d": "text"}
        self.assertEqual(client.call("echo", value), value)
        self.assertEqual(client.call("bytes", b"\x80"), b"\x80")
        client.emit("back", b"one", {"two": b"two"})
        self.assertEqual(client.events.counts(1, lambda e: e[1] == "back"), [("/", "back", b"one", {"two": b"two"})])

    def test_the_hub_asks(self):
        client = self.client()
        self.addCleanup(client.disconnect)
        client.answers("confirm", lambda question: question == "Really?")
        client.answers("answer", lambda question: {"question": question, "seal": b"\x01"})
        client.connect(server.url, self.transport, self.path)
        self.assertIs(client.call("ask", "Really?"), True)
        self.assertIs(client.call("ask", "Why?"), False)
        self.assertEqual(client.call("askFor", "What?"), {"question": "What?", "seal": b"\x01"})

    def test_many_events(self):
        client = self.connected()
        for i in range(300):
            client.emit("back", i)
            if i % 10 == 9:  # the client refuses a poll's answer with more than 16 packets
                client.events.counts(i + 1, lambda e: e[1] == "back")
        heard = [e[2] for e in client.events.counts(300, lambda e: e[1] == "back")]
        if self.client is Client:  # which handles each on a thread of its own
            heard.sort()
        self.assertEqual(heard, list(range(300)))

    def test_rooms(self):
        first, second, outside = (self.connected() for _ in range(3))
        room = f"room of {self.id()}"
        for client in (first, second):
            client.call("join", room)
        self.assertIn(room, first.call("groups"))
        first.call("say", room, "hello", b"\x07")
        for client in (first, second):
            self.assertEqual(client.events.counts(1, lambda e: e[1] == "said"), [("/", "said", "hello", b"\x07")])
        second.call("leave", room)
        first.call("say", room, "again", b"")
        first.events.counts(2, lambda e: e[1] == "said")
        second.call("echo", 1)  # by now it would have heard
        self.assertEqual(len([e for e in second.events.items if e[1] == "said"]), 1)
        self.assertEqual([e for e in outside.events.items if e[1] == "said"], [])

    def test_auth_reaches_the_hub(self):
        client = self.connected(auth={"token": "secret"})
        self.assertEqual(client.call("auth"), {"token": "secret"})

    def test_a_refusal_has_its_data(self):
        client = self.client()
        self.addCleanup(client.disconnect)
        with self.assertRaises(socketio.exceptions.ConnectionError):
            client.connect(server.url, self.transport, self.path, {"refuse": "closed today"})
        (_, why), = client.refused.counts(1)
        self.assertEqual(why["message"], "closed today")
        self.assertEqual(why["data"], {"code": "refused", "hint": "come without refuse"})

    def test_namespaces_share_a_connection_and_keep_apart(self):
        client = self.connected("/", "/side", "/child-7", auth={"from": "python"})
        self.assertEqual(len({client.sid(nsp) for nsp in ("/", "/side", "/child-7")}), 3)
        for nsp in ("/", "/side", "/child-7"):
            self.assertEqual(client.call("auth", nsp=nsp), {"from": "python"})
            client.emit("back", nsp, nsp=nsp)
        for nsp in ("/", "/side", "/child-7"):
            client.events.counts(1, lambda e: e == (nsp, "back", nsp))

    def test_namespaces_that_are_closed_or_unknown(self):
        for nsp, sentence in (("/closed", "Members only."), ("/nowhere", "Invalid namespace")):
            client = self.client((nsp,))
            self.addCleanup(client.disconnect)
            with self.assertRaises(socketio.exceptions.ConnectionError):
                client.connect(server.url, self.transport, self.path)
            self.assertEqual(client.refused.counts(1)[0][1]["message"], sentence)

    def test_the_hub_disconnects(self):
        client = self.connected()
        client.emit("kick", True)
        self.assertEqual(client.gone.counts(1), [("/", "server disconnect")])

    def test_the_client_disconnects(self):
        watcher, client = self.connected(), self.connected()
        watcher.call("join", "watchers")
        sid = client.sid()
        client.disconnect()
        (_, _, _, reason), = watcher.events.counts(1, lambda e: e[1:3] == ("gone", sid))
        self.assertIn(reason, ("client namespace disconnect", "transport close"))

    def test_a_cut_connection_comes_back(self):
        if self.transport == "polling":
            self.skipTest("there is no connection to cut")
        client = self.connected(reconnection=True)
        client.events.counts(1)
        self.assertEqual(client.call("transport"), "websocket")
        before = client.sid()
        client.cut()
        client.events.counts(2, lambda e: e[1] == "welcome")
        self.assertNotEqual(client.sid(), before)
        self.assertEqual(client.call("add", 1, 2), 3)

    def test_failures(self):
        client = self.connected()
        self.assertEqual(client.call("fail", "no luck today"),
                         {"error": {"code": "no_luck", "message": "no luck today", "data": [1, 2]}})
        self.assertNotIn("1234", str(client.call("broken")))
        client.emit("sya", "nobody")
        self.assertEqual(client.events.counts(1, lambda e: e[1] == "error")[0][2]["code"], "not_found")


class Upgrading:
    """Begins with polls and is soon on a WebSocket."""

    transport = "upgrade"


class WebSockets:
    transport = "websocket"


class TestPolling(Scenarios, unittest.TestCase):
    pass


class TestWebSocket(WebSockets, Scenarios, unittest.TestCase):
    pass


class TestUpgrade(Upgrading, Scenarios, unittest.TestCase):
    pass


class TestAsyncPolling(Scenarios, unittest.TestCase):
    client = AsyncClient


class TestAsyncWebSocket(WebSockets, Scenarios, unittest.TestCase):
    client = AsyncClient


class TestAsyncUpgrade(Upgrading, Scenarios, unittest.TestCase):
    client = AsyncClient
