"""A name server that knows one address: whatever is asked for is on 127.0.0.1, and nothing has IPv6."""

import socket

A = 1
HEADER = 12

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    query, client = server.recvfrom(512)
    end = query.index(b"\0", HEADER) + 5
    question = query[HEADER:end]
    answers = 1 if int.from_bytes(question[-4:-2], "big") == A else 0
    header = query[:2] + b"\x81\x80\0\1" + answers.to_bytes(2, "big") + b"\0\0\0\0"
    address = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("127.0.0.1")
    server.sendto(header + question + address * answers, client)
