"""PyPI's signalrcore against a hub, in every way it can connect."""

import contextlib
import json
import time
import unittest
import urllib.error

from signalrcore.hub.errors import HubError
from signalrcore.subject import Subject

from core_client import EVENTS, POLLING, WEBSOCKET, CoreClient, HubFailure
from server import VALUES, Server

server = None


def setUpModule():
    global server
    server = Server("--keepalive", "500ms", "--idle", "4s")  # the client sees its own end of a WebSocket when something arrives


def tearDownModule():
    server.stop()


class Scenarios:
    """What passes in every mode."""

    path = "/signalr"
    transport = WEBSOCKET
    binary = False
    named = "websocket", "json"

    def client(self, path=None, **options):
        return CoreClient(server.url + (path or self.path), self.transport, self.binary, **options)

    def connected(self, *args, **options):
        client = self.client(*args, **options)
        self.addCleanup(client.stop)
        client.start()
        return client

    def fails_with(self, sentence, act, *args):
        with self.assertRaises(HubFailure) as caught:
            act(*args)
        self.assertEqual(str(caught.exception), sentence)

    def test_connects(self):
        client = self.client(self.path + "?name=Ann")
        welcome = client.hears("welcome")
        self.addCleanup(client.stop)
        client.start()
        me = client.call("me")
        self.assertEqual(welcome.counts(1), [[me["id"]]])
        self.assertEqual((me["transport"], me["protocol"]), self.named)
        self.assertEqual(me["name"], "Ann")
        client.stop()
        client.closed.counts(1)

    def test_results_of_every_kind_come_back_as_they_went(self):
        client = self.connected()
        for value in VALUES:
            self.assertEqual(client.call("echo", value), value)
        self.assertEqual(client.call("add", 20, 22), 42)
        self.assertEqual(client.call("ADD", 20, 22), 42)
        self.assertIsNone(client.call("nothing"))

    def test_large_messages(self):
        client = self.connected()
        self.assertEqual(client.call("big", 1 << 20), "x" * (1 << 20))
        text = "ä" * 5_000  # six bytes each, as Python writes JSON
        self.assertEqual(client.call("echo", text), text)

    def test_many_calls_at_once_each_get_their_own_answer(self):
        client = self.connected()
        ends = [client.begin("add", i, i) for i in range(200)]
        self.assertEqual([end() for end in ends], [2 * i for i in range(200)])

    def test_failures_come_in_signalr_s_own_sentences(self):
        client = self.connected()
        self.fails_with("Failed to invoke 'nope' due to an error on the server. HubException: Method does not exist.",
                        client.call, "nope")
        self.fails_with("An unexpected error occurred invoking 'fail' on the server. HubException: No luck today.",
                        client.call, "fail", "No luck today.")
        self.fails_with("An unexpected error occurred invoking 'broken' on the server.", client.call, "broken")
        self.fails_with("Failed to invoke 'add' due to an error on the server.", client.call, "add", "one")
        self.fails_with("The client attempted to invoke the streaming 'count' method with a non-streaming invocation.",
                        client.call, "count", 3)
        self.assertEqual(client.call("echo", "still here"), "still here")

    def test_events_reach_every_connection_in_one_order(self):
        clients = [self.client() for _ in range(3)]
        heard = [client.hears("told") for client in clients]
        for client in clients:
            self.addCleanup(client.stop)
            client.start()
        for i in range(50):
            for client in clients:
                client.begin("tell", f"{i}")
        for inbox in heard:
            self.assertEqual(len(inbox.counts(150)), 150)
        self.assertEqual(heard[1].items, heard[0].items)
        self.assertEqual(heard[2].items, heard[0].items)

    def test_groups(self):
        ann, ben = self.client(), self.client()
        heard = {client: client.hears("shouted") for client in (ann, ben)}
        for client in (ann, ben):
            self.addCleanup(client.stop)
            client.start()
        ann.call("join", "lobby")
        ben.call("shout", "lobby", "for Ann")
        ben.call("join", "lobby")
        ann.call("shout", "lobby", "for both")
        ann.call("whisper", "lobby", "for Ben")
        ann.call("leave", "lobby")
        ben.call("shout", "lobby", "for Ben alone")
        self.assertEqual(heard[ben].counts(3), [["lobby", "for both"], ["lobby", "for Ben"], ["lobby", "for Ben alone"]])
        self.assertIsNone(ann.call("nothing"))
        self.assertEqual(heard[ann].items, [["lobby", "for Ann"], ["lobby", "for both"]])

    def test_streams_run_to_their_end(self):
        client = self.connected()
        self.assertEqual(client.stream("count", 0), [])
        self.assertEqual(client.stream("count", 500), list(range(1, 501)))

    def test_a_stream_that_fails_says_so(self):
        client = self.connected()
        self.fails_with("An error occurred on the server while streaming results. HubException: stumbled after 2",
                        client.stream, "stumble", 2)
        self.fails_with("The client attempted to invoke the non-streaming 'echo' method with a streaming invocation.",
                        client.stream, "echo", 1)

    def test_uploads(self):
        client = self.client()
        sums = client.hears("sum")
        self.addCleanup(client.stop)
        client.start()
        self.upload(client, "tellSum", range(1, 101))
        self.assertEqual(sums.counts(1), [[5050]])

    def upload(self, client, name, items):
        subject = Subject()
        client.connection.invoke(name, subject)
        for item in items:
            subject.next(item)
        subject.complete()

    def test_a_goodbye_of_the_hub_closes(self):
        client = self.connected()
        client.begin("kick", True)
        client.closed.counts(1)

    def test_a_message_over_the_limit_closes(self):
        client = self.connected()
        with contextlib.suppress(ValueError):  # a POST may already be told that there is no connection
            client.begin("echo", "x" * 65_536)
        client.closed.counts(1)

    def test_a_lost_connection_comes_back(self):
        client = self.client(reconnect={"type": "raw", "reconnect_interval": 1, "max_attempts": 5})
        welcome = client.hears("welcome")
        self.addCleanup(client.stop)
        client.start()
        client.begin("kick", False)
        client.reconnected.counts(1)
        first, second = welcome.counts(2)
        self.assertNotEqual(first, second)
        self.assertEqual(client.call("me")["id"], second[0])

    def test_tokens_and_headers(self):
        client = self.connected("/private/signalr", access_token_factory=lambda: "ann", headers={"X-Test": "yes"})
        paged = client.hears("paged")
        me = client.call("me")
        self.assertEqual((me["user"], me["header"]), ("ann", "yes"))
        self.assertEqual(client.call("headerOf", "X-Test"), "yes")  # its calls have them, too
        client.call("page", "ann", "psst")
        self.assertEqual(paged.counts(1), [["psst"]])

    def test_without_a_token_it_stays_outside(self):
        client = self.client("/private/signalr")
        with self.assertRaises(urllib.error.HTTPError) as caught:
            client.connection.start()
        self.assertEqual(caught.exception.code, 401)


class WebSocketJSON(Scenarios, unittest.TestCase):
    def test_takes_the_first_transport_that_the_endpoint_offers(self):
        for path, transport in {"/signalr": "websocket", "/signalr/without-websockets": "sse"}.items():
            client = CoreClient(server.url + path, transport=None)
            self.addCleanup(client.stop)
            client.start()
            self.assertEqual(client.call("transport"), transport)

    def test_negotiations_lead_elsewhere_with_a_token_for_there(self):
        client = self.connected("/signalr/moved?name=Ann")
        there = json.loads(client.call("describe"))
        self.assertEqual((there["path"], there["user"], there["query"]["name"]), ("/signalr/guarded", "ann", "Ann"))

    def test_a_negotiation_that_is_refused_says_why(self):
        with self.assertRaises(HubError) as caught:
            self.client("/signalr/closed").connection.start()
        self.assertEqual(str(caught.exception), "Closed for today.")

    def test_pings_of_both_sides_keep_a_quiet_connection(self):
        client = self.connected(reconnect={"type": "raw", "keep_alive_interval": 1})
        time.sleep(6)  # half as long again as the hub waits for a client
        self.assertEqual(client.call("echo", "still here"), "still here")
        self.assertEqual(client.closed.items + client.reconnected.items, [])

    def test_without_negotiation(self):
        client = self.connected(skip_negotiation=True)
        self.assertEqual(client.call("echo", "hi"), "hi")


class WebSocketMessagePack(Scenarios, unittest.TestCase):
    binary = True
    named = "websocket", "messagepack"

    test_uploads = None  # it writes an upload's end without saying how it ended


class Posting(Scenarios):
    """What differs where calls are POSTs, which take longer than the hub's answer."""

    def test_streams_run_to_their_end(self):
        client = self.connected()
        end = client.begin_stream("countFreed", self.named[0], 500)
        client.call("free", self.named[0])
        self.assertEqual(end(), list(range(1, 501)))


class ServerSentEvents(Posting, unittest.TestCase):
    transport = EVENTS
    named = "sse", "json"


class LongPolling(Posting, unittest.TestCase):
    # The client takes one message of each poll's answer, and the next one when the next poll is answered.
    path = "/signalr/impatient"
    transport = POLLING
    named = "polling", "json"

    test_tokens_and_headers = None  # its polls have neither
    test_a_lost_connection_comes_back = None  # it polls on, whatever it is answered


if __name__ == "__main__":
    unittest.main()
