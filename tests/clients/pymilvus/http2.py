"""HTTP/2 by hand, for what no library sends."""

import socket
import struct

from harness import path

DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
ACK = END_STREAM = 1
END_HEADERS = 4


class Http2:
    """A connection that knows of one call at a time."""

    def __init__(self, address):
        host, port = address.split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        self._stream = -1
        self._socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(SETTINGS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, kind, flags=0, stream=0, payload=b""):
        head = struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream)
        self._socket.sendall(head + payload)

    def _take(self, length):
        data = b""
        while len(data) < length:
            part = self._socket.recv(length - len(data))
            assert part, "the server closed the connection"
            data += part
        return data

    def receive(self, *kinds):
        """The next frame of one of these kinds, as (flags, stream, payload)."""
        while True:
            head = self._take(9)
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            payload = self._take(int.from_bytes(head[:3]))
            assert kind != GOAWAY, f"the server says goodbye: {payload!r}"
            if kind == SETTINGS and not flags & ACK:
                self.send(SETTINGS, ACK)
            if kind in kinds:
                return flags, stream, payload

    def ping(self, number):
        payload = struct.pack(">Q", number)
        self.send(PING, payload=payload)
        assert self.receive(PING) == (ACK, 0, payload)

    def call(self, rpc, authorization, message=b""):
        """The message that answers a call."""
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
        self.send(DATA, END_STREAM, self._stream, struct.pack(">BI", 0, len(message)) + message)
        flags, _, _ = self.receive(HEADERS)
        assert not flags & END_STREAM, "the call is refused"
        data = b""
        while True:
            flags, _, payload = self.receive(DATA, HEADERS)
            if flags & END_STREAM:
                return data[5:]
            data += payload


def _header(header):
    """As a literal with a new name."""
    return b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in header)
