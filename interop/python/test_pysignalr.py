"""PyPI's pysignalr against a hub."""

import asyncio
import json
import unittest

from pysignalr.exceptions import AuthorizationError, ServerError

from py_client import PROTOCOLS, Client, HubFailure, several, within
from server import VALUES, Server

server = None


def setUpModule():
    global server
    server = Server("--keepalive", "500ms", "--idle", "4s")


def tearDownModule():
    server.stop()


class Scenarios:
    """What passes in both protocols."""

    protocol = "json"

    def client(self, path="/signalr", **options):
        return Client(server.url + path, PROTOCOLS[self.protocol](), **options)

    async def start(self, client):
        await client.start()
        self.addAsyncCleanup(client.stop)
        return client

    async def connected(self, *args, **options):
        return await self.start(self.client(*args, **options))

    async def fails_with(self, sentence, act):
        with self.assertRaises(HubFailure) as caught:
            await act
        self.assertEqual(str(caught.exception), sentence)

    async def test_connects(self):
        client = self.client("/signalr?name=Ann")
        welcome = client.hears("welcome")
        await self.start(client)
        me = await client.call("me")
        self.assertEqual(await several(welcome, 1), [[me["id"]]])
        self.assertEqual((me["transport"], me["protocol"]), ("websocket", self.protocol))
        self.assertEqual(me["name"], "Ann")

    async def test_results_of_every_kind_come_back_as_they_went(self):
        client = await self.connected()
        for value in VALUES:
            self.assertEqual(await client.call("echo", value), value)
        self.assertEqual(await client.call("add", 20, 22), 42)
        self.assertEqual(await client.call("ADD", 20, 22), 42)
        self.assertIsNone(await client.call("nothing"))

    async def test_large_messages(self):
        client = await self.connected(max_size=None)
        self.assertEqual(await client.call("big", 1 << 20), "x" * (1 << 20))
        text = "ä" * 5_000
        self.assertEqual(await client.call("echo", text), text)

    async def test_many_calls_at_once_each_get_their_own_answer(self):
        client = await self.connected()
        ends = [await client.begin("add", i, i) for i in range(200)]
        self.assertEqual([await end for end in ends], [2 * i for i in range(200)])

    async def test_failures_come_in_signalr_s_own_sentences(self):
        client = await self.connected()
        await self.fails_with(
            "Failed to invoke 'nope' due to an error on the server. HubException: Method does not exist.",
            client.call("nope"))
        await self.fails_with(
            "An unexpected error occurred invoking 'fail' on the server. HubException: No luck today.",
            client.call("fail", "No luck today."))
        await self.fails_with("An unexpected error occurred invoking 'broken' on the server.", client.call("broken"))
        await self.fails_with("Failed to invoke 'add' due to an error on the server.", client.call("add", "one"))
        self.assertEqual(await client.call("echo", "still here"), "still here")

    async def test_send_waits_for_no_answer(self):
        client = self.client()
        told = client.hears("told")
        await self.start(client)
        await client.client.send("nobody answers to this", [1])
        await client.client.send("add", ["not a number"])
        await client.client.send("tell", ["first"])
        await client.client.send("tell", ["second"])
        self.assertEqual([text for _, text in await several(told, 2)], ["first", "second"])

    async def test_events_reach_every_connection_in_one_order(self):
        clients = [self.client() for _ in range(3)]
        heard = [client.hears("told") for client in clients]
        for client in clients:
            await self.start(client)
        for i in range(50):
            for client in clients:
                await client.client.send("tell", [f"{i}"])
        orders = [await several(queue, 150) for queue in heard]
        self.assertEqual(orders[1], orders[0])
        self.assertEqual(orders[2], orders[0])

    async def test_groups(self):
        ann, ben = self.client(), self.client()
        heard_by_ann, heard_by_ben = ann.hears("shouted"), ben.hears("shouted")
        await self.start(ann)
        await self.start(ben)
        await ann.call("join", "lobby")
        await ben.call("shout", "lobby", "for Ann")
        await ben.call("join", "lobby")
        await ann.call("shout", "lobby", "for both")
        await ann.call("whisper", "lobby", "for Ben")
        await ann.call("leave", "lobby")
        await ben.call("shout", "lobby", "for Ben alone")
        self.assertEqual(await several(heard_by_ben, 3),
                         [["lobby", "for both"], ["lobby", "for Ben"], ["lobby", "for Ben alone"]])
        await ann.call("nothing")
        self.assertEqual(await several(heard_by_ann, 2), [["lobby", "for Ann"], ["lobby", "for both"]])
        self.assertTrue(heard_by_ann.empty())

    async def test_streams_run_to_their_end(self):
        client = await self.connected()
        self.assertEqual(await client.stream("count", 0), [])
        self.assertEqual(await client.stream("count", 500), list(range(1, 501)))

    async def test_a_stream_that_fails_says_so(self):
        client = await self.connected()
        await self.fails_with(
            "An error occurred on the server while streaming results. HubException: stumbled after 2",
            client.stream("stumble", 2))
        await self.fails_with(
            "The client attempted to invoke the non-streaming 'echo' method with a streaming invocation.",
            client.stream("echo", 1))

    async def test_uploads(self):
        client = self.client()
        sums = client.hears("sum")
        await self.start(client)
        async with client.client.client_stream("tellSum") as upload:
            for i in range(1, 101):
                await upload.send(i)
        self.assertEqual(await several(sums, 1), [[5050]])

    async def test_the_hub_asks_the_client_answers(self):
        client = self.client()

        async def confirm(args):
            if args == ["fail"]:
                raise RuntimeError("I would rather not")
            return args == ["Sure?"]
        client.client.on("confirm", confirm)
        await self.start(client)
        self.assertIs(await client.call("ask", "Sure?"), True)
        self.assertIs(await client.call("ask", "Really?"), False)
        await self.fails_with(
            "An unexpected error occurred invoking 'ask' on the server. HubException: I would rather not",
            client.call("ask", "fail"))

    async def test_a_question_nobody_handles_fails_the_call_that_asked(self):
        client = await self.connected()
        await self.fails_with(
            "An unexpected error occurred invoking 'ask' on the server. HubException: Client didn't provide a result.",
            client.call("ask", "anyone?"))

    async def test_a_goodbye_of_the_hub_closes(self):
        client = await self.connected()
        await client.client.send("kick", [True])
        await within(client.closed.get())

    async def test_a_message_over_the_limit_fails_with_the_hub_s_sentence(self):
        client = await self.connected()
        await client.client.send("echo", ["x" * 65_536])
        with self.assertRaises(ServerError) as caught:
            await within(asyncio.shield(client.run))
        self.assertEqual(caught.exception.message, "Connection closed with an error.")

    async def test_a_lost_connection_comes_back(self):
        client = self.client()
        welcome = client.hears("welcome")
        await self.start(client)
        await client.client.send("kick", [False])
        await within(client.closed.get())
        await within(client.opened.get())
        first, second = await several(welcome, 2)
        self.assertNotEqual(first, second)
        self.assertEqual((await client.call("me"))["id"], second[0])

    async def test_tokens_headers_and_cookies(self):
        url = server.url.replace("127.0.0.1", "localhost")  # which may have cookies
        client = Client(url + "/private/signalr", PROTOCOLS[self.protocol](), headers={"Authorization": "Bearer ann", "X-Test": "yes"})
        paged = client.hears("paged")
        await self.start(client)
        me = await client.call("me")
        self.assertEqual((me["user"], me["header"], me["cookie"]), ("ann", "yes", "for-ann"))
        self.assertEqual(await client.call("headerOf", "X-Test"), "yes")  # its calls have them, too
        await client.call("page", "ann", "psst")
        self.assertEqual(await several(paged, 1), [["psst"]])

    async def test_negotiations_lead_elsewhere_with_a_token_for_there(self):
        client = await self.connected("/signalr/moved?name=Ann")
        there = json.loads(await client.call("describe"))
        self.assertEqual((there["path"], there["user"], there["query"]["name"]), ("/signalr/guarded", "ann", "Ann"))

    async def test_a_negotiation_that_is_refused_says_why(self):
        with self.assertRaises(ServerError) as caught:
            await within(self.client("/signalr/closed").client.run())
        self.assertEqual(caught.exception.message, str({"error": "Closed for today."}))

    async def test_without_a_token_it_stays_outside(self):
        with self.assertRaises(AuthorizationError):
            await within(self.client("/private/signalr").client.run())

    async def test_pings_of_both_sides_keep_a_quiet_connection(self):
        pings = asyncio.Queue()

        class Heard(PROTOCOLS[self.protocol]):
            def decode(self, raw_message):
                messages = super().decode(raw_message)
                for message in messages:
                    pings.put_nowait(type(message).__name__)
                return messages

        client = Client(server.url + "/signalr", Heard(), signalr_ping_interval=1)
        await self.start(client)
        self.assertEqual(await within(pings.get()), "InvocationMessage")  # the welcome
        self.assertEqual(set(await several(pings, 12)), {"PingMessage"})  # more than the idle timeout
        self.assertEqual(await client.call("echo", "still here"), "still here")
        self.assertTrue(client.closed.empty())


class JSON(Scenarios, unittest.IsolatedAsyncioTestCase):
    pass


class MessagePack(Scenarios, unittest.IsolatedAsyncioTestCase):
    protocol = "messagepack"


if __name__ == "__main__":
    unittest.main()
