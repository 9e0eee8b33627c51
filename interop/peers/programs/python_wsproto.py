"""PyPI's wsproto as a peer: python_wsproto.py client URL..., or python_wsproto.py server."""

import socket
import sys
import threading
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import RemoteProtocolError

from echoer import Echoer, listening


class Peer:
    """One connection: wsproto turns bytes into events and back, the rest is here."""

    def __init__(self, sock, role):
        self.sock = sock
        self.ws = WSConnection(role)
        self.deflate = PerMessageDeflate()
        self.echoer = None
        self.pieces = []
        self.ended = False

    def start(self, url):
        self.echoer = Echoer(url)
        parts = urlsplit(url)
        self.send(Request(host=parts.netloc, target=f"{parts.path}?{parts.query}", extensions=[self.deflate]))

    def run(self):
        with self.sock:
            while not self.ended:
                data = self.sock.recv(1 << 16)
                try:
                    self.ws.receive_data(data or None)
                    for event in self.ws.events():
                        self.handle(event)
                except RemoteProtocolError as error:
                    self.echoer.failed(error)
                    self.end(1006, "")

    def send(self, *events):
        self.sock.sendall(b"".join(self.ws.send(event) for event in events))

    def end(self, code, reason):
        if not self.ended:
            self.ended = True
            self.echoer.closed(code, reason or "", self.deflate.name if self.deflate.enabled() else "")

    def handle(self, event):
        match event:
            case Request():
                self.echoer = Echoer(event.target)
                self.send(AcceptConnection(extensions=[self.deflate]))
            case TextMessage() | BytesMessage():
                self.pieces.append(event.data)
                if event.message_finished:
                    self.message(type(event), ("" if isinstance(event, TextMessage) else b"").join(self.pieces))
            case Ping():
                self.send(event.response())
            case Pong():
                self.echoer.ponged()
            case CloseConnection():
                if not self.echoer.is_last():  # else it is the answer
                    self.send(event.response())
                self.end(event.code, event.reason)
            case RejectConnection():
                self.echoer.failed(event)
                self.end(1006, "")

    def message(self, kind, data):
        self.pieces = []
        *first, last = self.echoer.message(data)
        self.send(*(kind(data=piece, message_finished=False) for piece in first), kind(data=last))
        if self.echoer.wants_ping():
            self.send(Ping(payload=b"ping"))
        if self.echoer.is_last():
            self.send(CloseConnection(code=self.echoer.code, reason=self.echoer.reason))


def be_client(urls):
    for url in urls:
        parts = urlsplit(url)
        peer = Peer(socket.create_connection((parts.hostname, parts.port)), ConnectionType.CLIENT)
        peer.start(url)
        peer.run()


def be_server():
    listener = socket.create_server(("127.0.0.1", 0))
    listening(listener.getsockname()[1])
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    sys.stdin.read()


def accept(listener):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=Peer(sock, ConnectionType.SERVER).run, daemon=True).start()


be_server() if sys.argv[1] == "server" else be_client(sys.argv[2:])
