"""Bytes that one TCP port has moved, as the kernel counts them (sock_diag(7), tcp_info).

The kernel's own counters of payload bytes, TLS included, TCP and IP headers not: nothing stands
between the parties while they are timed.
"""

import contextlib
import socket
import struct

_SOCK_DIAG, _BY_FAMILY, _INFO = 4, 20, 2  # netlink family, message type, attribute
_ROOT_REQUEST, _ERROR, _DONE = 0x301, 2, 3
_ALL_STATES = 0xFFFF_FFFF
_HEADER, _MESSAGE = 16, 72  # bytes of nlmsghdr and inet_diag_msg
_ACKED = 120  # offset of tcpi_bytes_acked in tcp_info; tcpi_bytes_received follows


def moved(port: int) -> int | None:
    """Payload bytes, both ways, over the open connections whose local end is *port*; None where unknown.

    On loopback both ends of a connection are here; only the listening side's end has *port*, so each
    byte counts once.
    """
    try:
        return sum(_counters(socket.AF_INET, port) + _counters(socket.AF_INET6, port))
    except OSError:
        return None


def _counters(family: int, port: int) -> list[int]:
    # sport, dport, source, destination, interface, cookie: only the local port is asked for
    request = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 1 << _INFO - 1, 0, _ALL_STATES)
    request += struct.pack("!HH", port, 0) + bytes(44)
    found: list[int] = []
    with contextlib.closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)) as line:
        line.send(struct.pack("=IHHII", _HEADER + len(request), _BY_FAMILY, _ROOT_REQUEST, 1, 0) + request)
        while True:
            data = line.recv(1 << 20)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    raise OSError("the kernel does not tell about sockets")
                if struct.unpack_from("!H", data, _HEADER + 4)[0] == port:
                    found += _of(data[_HEADER + _MESSAGE:length])
                data = data[length + 3 & ~3:]


def _of(attributes: bytes) -> list[int]:
    while attributes:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == _INFO and length >= 4 + _ACKED + 16:
            return list(struct.unpack_from("=QQ", attributes, 4 + _ACKED))
        attributes = attributes[length + 3 & ~3:]
    return []
