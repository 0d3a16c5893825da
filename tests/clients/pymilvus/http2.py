"""HTTP/2 by hand, for what no library sends when it is told to."""

import socket
import struct

from harness import path

DATA, HEADERS, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4


class Http2:
    """A connection whose answers are read one after the other."""

    def __init__(self, address, piece=1 << 16):
        """Sends pieces of so many bytes at most."""
        host, port = address.split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._piece = piece
        self._stream = -1
        self._send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(SETTINGS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, kind, flags=0, stream=0, payload=b""):
        head = struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream)
        self._send(head + payload)

    def _send(self, data):
        for start in range(0, len(data), self._piece):
            self._socket.sendall(data[start : start + self._piece])

    def _take(self, length):
        data = b""
        while len(data) < length:
            part = self._socket.recv(length - len(data))
            if not part:
                raise EOFError("the server closed the connection")
            data += part
        return data

    def receive(self, *kinds):
        """The next frame of one of these kinds, as (flags, stream, payload)."""
        while True:
            head = self._take(9)
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            payload = self._take(int.from_bytes(head[:3]))
            assert kind != GOAWAY or GOAWAY in kinds, f"the server says goodbye: {payload!r}"
            if kind == SETTINGS and not flags & ACK:
                self.send(SETTINGS, ACK)
            if kind in kinds:
                return flags, stream, payload

    def ping(self, number):
        payload = struct.pack(">Q", number)
        self.send(PING, payload=payload)
        assert self.receive(PING) == (ACK, 0, payload)

    def ask(self, rpc, authorization, message=b"", window=0):
        """Starts a call, and returns its stream. A window is what gRPC's C core grants with it."""
        self._stream += 2
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path(rpc),
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
            "authorization": authorization,
        }
        self.send(HEADERS, END_HEADERS, self._stream, b"".join(map(_header, headers.items())))
        if window:
            self.send(WINDOW_UPDATE, 0, self._stream, struct.pack(">I", window))
        self.send(DATA, END_STREAM, self._stream, struct.pack(">BI", 0, len(message)) + message)
        return self._stream

    def answer(self):
        """The next answer, as its stream and its message."""
        flags, stream, _ = self.receive(HEADERS)
        assert not flags & END_STREAM, "the call is refused"
        data = b""
        while True:
            flags, of, payload = self.receive(DATA, HEADERS)
            assert of == stream
            if flags & END_STREAM:
                return stream, data[5:]
            data += payload

    def call(self, rpc, authorization, message=b""):
        """The message that answers a call."""
        self.ask(rpc, authorization, message)
        return self.answer()[1]


def _header(header):
    """As a literal with a new name."""
    return b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in header)
