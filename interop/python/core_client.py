"""PyPI's signalrcore, unmodified, with calls that return."""

import logging
import uuid

from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.messages.stream_invocation_message import StreamInvocationMessage
from signalrcore.types import HttpTransportType, HubProtocolEncoding

from inbox import DEADLINE, Inbox

WEBSOCKET = HttpTransportType.web_sockets
EVENTS = HttpTransportType.server_sent_events
POLLING = HttpTransportType.long_polling

# Errors are what the tests are about; they need no log.
logging.getLogger("SignalRCoreClient").setLevel(logging.CRITICAL)


class HubFailure(Exception):
    """What the hub answers a call that failed."""


class CoreClient:
    """A connection with inboxes for what may happen to it."""

    def __init__(self, url, transport=WEBSOCKET, binary=False, reconnect=None, **options):
        if transport is not None:  # which leaves the choice to the client
            options["transport"] = transport
        builder = HubConnectionBuilder().with_url(url, options)
        if binary:
            builder = builder.with_hub_protocol(HubProtocolEncoding.binary)
        if reconnect:
            builder = builder.with_automatic_reconnect(reconnect)
        self.connection = builder.build()
        self.opened, self.closed, self.reconnected = Inbox(), Inbox(), Inbox()
        self.connection.on_open(lambda: self.opened.put("opened"))
        self.connection.on_close(lambda: self.closed.put("closed"))
        self.connection.on_reconnect(lambda: self.reconnected.put("reconnected"))
        self._answers = {}  # by id of the call
        self.connection.on_error(lambda m: self._answer(m.invocation_id).put((False, m.error)))

    def _answer(self, call):
        return self._answers.setdefault(call, Inbox())

    def hears(self, name):
        """Returns the inbox of an event; its items are lists of arguments."""
        inbox = Inbox()
        self.connection.on(name, inbox.put)
        return inbox

    def start(self):
        self.connection.start()
        self.opened.counts(1)

    def begin(self, name, *args):
        """Calls, and returns a function that waits for the answer."""
        call = str(uuid.uuid4())
        answer = self._answer(call)
        self.connection.invoke(name, list(args), lambda m: answer.put((True, m.result)), call)

        def end(seconds=DEADLINE):
            done, value = answer.counts(1, seconds=seconds)[0]
            if not done:
                raise HubFailure(value)
            return value
        return end

    def call(self, name, *args):
        return self.begin(name, *args)()

    def stream(self, name, *args):
        """Returns a stream's items once it has ended."""
        return self.begin_stream(name, *args)()

    def begin_stream(self, name, *args):
        """Returns a function that waits for a stream's end and returns its items.

        The client lets one subscribe only after it has sent the call, and loses what the hub sends before: so
        this subscribes when the client is about to send.
        """
        items, transport = [], self.connection.transport
        send = transport.send

        def subscribe(call):
            self.connection.stream_handlers[call][0].subscribe({
                "next": items.append,
                "complete": lambda m: self._answer(call).put((True, None)),
                "error": lambda m: self._answer(call).put((False, "cancelled")),
            })

        def send_subscribed(message):
            if isinstance(message, StreamInvocationMessage):
                subscribe(message.invocation_id)
            return send(message)

        transport.send = send_subscribed
        try:
            answer = self._answer(self.connection.stream(name, list(args)).invocation_id)
        finally:
            transport.send = send

        def end():
            done, why = answer.counts(1)[0]
            if not done:
                raise HubFailure(why)
            return items
        return end

    def stop(self):
        self.connection.stop()
