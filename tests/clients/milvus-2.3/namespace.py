"""Brings up the loopback of a fresh network namespace, and runs a command in it.

    python namespace.py COMMAND [ARGUMENT...]
"""

import fcntl
import os
import socket
import struct
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def interfaces():
    return [name for _, name in socket.if_nameindex()]


def is_up(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sh14x", interface.encode(), 0))
    return bool(struct.unpack("16sh14x", flags)[1] & IFF_UP)


def isolated():
    """Whether nothing that listens here can be reached from elsewhere. Some kernels add tunnels, which are down."""
    return [name for name in interfaces() if is_up(name)] == ["lo"]


def main(command):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    if not isolated():
        sys.exit(f"not in a namespace of its own: {interfaces()}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
