"""PyPI's python-socketio, unmodified: its two clients under one face.

AsyncClient lives in an event loop of its own, so that tests are written once.
"""

import asyncio
import threading

import socketio

from inbox import DEADLINE, Inbox

TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}


class Client:
    """socketio.Client, with inboxes for what may happen to it."""

    maker = staticmethod(socketio.Client)

    def __init__(self, namespaces=("/",), **options):
        self.namespaces = list(namespaces)
        self.options = {"reconnection": False} | options
        self.events, self.gone = Inbox(), Inbox()
        self.connected, self.refused = Inbox(), Inbox()
        self.inner = self.make()
        for nsp in self.namespaces:
            self.listen(nsp)

    def make(self):
        return self.maker(handle_sigint=False, reconnection_delay=0.05, reconnection_delay_max=0.1, **self.options)

    def listen(self, nsp):
        def put(inbox, *before):
            return lambda *args: inbox.put((*before, *args))
        on = self.inner.on
        on("connect", put(self.connected, nsp), namespace=nsp)
        on("connect_error", put(self.refused, nsp), namespace=nsp)
        on("disconnect", put(self.gone, nsp), namespace=nsp)
        on("*", put(self.events, nsp), namespace=nsp)

    def answers(self, event, answer, nsp="/"):
        """Answers the hub's question of that name."""
        self.inner.on(event, answer, namespace=nsp)

    def run(self, result):
        return result

    def connect(self, url, transport, path, auth=None, headers=None):
        self.run(self.inner.connect(
            url, transports=TRANSPORTS[transport], socketio_path=path, namespaces=self.namespaces, auth=auth,
            headers=headers or {}, wait=True, wait_timeout=DEADLINE))

    def emit(self, event, *args, nsp="/"):
        self.run(self.inner.emit(event, args, namespace=nsp))

    def call(self, event, *args, nsp="/"):
        return self.run(self.inner.call(event, args, namespace=nsp, timeout=DEADLINE))

    def sid(self, nsp="/"):
        return self.inner.get_sid(nsp)

    def transport(self):
        return self.run(self.inner.transport)() if callable(self.inner.transport) else self.inner.transport

    def cut(self):
        """Ends the WebSocket below the client without a word."""
        self.inner.eio.ws.sock.shutdown(2)

    def disconnect(self):
        if self.inner.connected:
            self.sent()
            self.run(self.inner.disconnect())

    def sent(self):
        """Waits until nothing is being sent: a client that says goodbye while its
        writer waits for the answer to a POST goes without sending the goodbye."""
        queue = self.inner.eio.queue
        with queue.all_tasks_done:
            queue.all_tasks_done.wait_for(lambda: not queue.unfinished_tasks, DEADLINE)


class AsyncClient(Client):
    """socketio.AsyncClient likewise."""

    maker = staticmethod(socketio.AsyncClient)

    def __init__(self, *args, **options):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        super().__init__(*args, **options)

    def make(self):
        async def made():
            return super(AsyncClient, self).make()
        return self.run(made())

    def run(self, result):
        if not asyncio.iscoroutine(result):
            return result
        return asyncio.run_coroutine_threadsafe(result, self.loop).result(2 * DEADLINE)

    def cut(self):
        self.loop.call_soon_threadsafe(self.inner.eio.ws._response.connection.transport.abort)

    def sent(self):
        self.run(asyncio.wait_for(self.inner.eio.queue.join(), DEADLINE))

    def disconnect(self):
        if self.loop.is_closed():
            return
        super().disconnect()
        self.run(settled())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(DEADLINE)
        if not self.thread.is_alive():
            self.loop.close()


async def settled():
    """Waits for the tasks that see the end."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=DEADLINE)
