"""PyPI's pysignalr, unmodified, with calls that return."""

import asyncio
import contextlib
import logging

from pysignalr.client import SignalRClient
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

from inbox import DEADLINE

PROTOCOLS = {"json": JSONProtocol, "messagepack": MessagepackProtocol}

# Errors are what the tests are about; they need no log.
logging.getLogger("pysignalr").setLevel(logging.CRITICAL)

# The tests run asyncio in its debug mode, which tells of a busy machine.
logging.getLogger("asyncio").setLevel(logging.ERROR)


class HubFailure(Exception):
    """What the hub answers a call that failed."""


class Client:
    """A connection that runs as a task, with queues for what may happen to it."""

    def __init__(self, url, protocol, **options):
        self.client = SignalRClient(url, protocol=protocol, retry_sleep=0.1, **options)
        self.opened, self.closed = asyncio.Queue(), asyncio.Queue()
        self.client.on_open(lambda: self.opened.put("opened"))
        self.client.on_close(lambda: self.closed.put("closed"))
        self.client.on_error(self._failed)
        self._failures = {}  # by id: the sentence
        self.run = None

    async def _failed(self, message):
        self._failures[message.invocation_id] = message.error

    def hears(self, name):
        """Returns the queue of an event; its items are lists of arguments."""
        queue = asyncio.Queue()
        self.client.on(name, queue.put)
        return queue

    async def start(self):
        self.run = asyncio.create_task(self.client.run())
        await within(self.opened.get())

    async def begin(self, name, *args):
        """Calls, and returns what waits for the answer."""
        answer = asyncio.get_running_loop().create_future()

        async def completed(message):
            failure = self._failures.pop(message.invocation_id, None)
            if failure is None:
                answer.set_result(message.result)
            else:
                answer.set_exception(HubFailure(failure))
        await self.client.send(name, list(args), completed)
        return within(answer)

    async def call(self, name, *args):
        return await (await self.begin(name, *args))

    async def stream(self, name, *args):
        """Returns a stream's items once it has ended."""
        items, end = [], asyncio.get_running_loop().create_future()

        async def took(item):
            items.append(item)

        async def completed(_):
            end.set_result(items)

        async def failed(message):
            end.set_exception(HubFailure(message.error))
        await self.client.stream(name, list(args), took, completed, failed)
        return await within(end)

    async def stop(self):
        """Ends the connection, which the client does by being cancelled."""
        if self.run.done():
            return
        self.run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await within(self.run)


def within(wanted):
    return asyncio.wait_for(wanted, DEADLINE)


async def several(queue, n):
    return [await within(queue.get()) for _ in range(n)]
