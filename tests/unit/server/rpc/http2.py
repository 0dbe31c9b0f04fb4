"""A member who speaks HTTP/2 by hand, with frames that no library would send."""

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.unit.loopback import Federation

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_HEADERS, END_STREAM = 4, 1
INITIAL_WINDOW = 4


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """RFC 9113, section 4.1."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def setting(name: int, value: int) -> bytes:
    """A SETTINGS frame of one setting."""
    return frame(SETTINGS, payload=struct.pack(">HI", name, value))


def headers(method: str) -> bytes:
    """The header block of a call of Nodes' *method*; every header literal, none indexed (RFC 7541, 6.2.3)."""
    fields = {":method": "POST", ":scheme": "https", ":path": f"/cotally.v1.Nodes/{method}",
              ":authority": "localhost", "content-type": "application/grpc", "te": "trailers"}
    return b"".join(b"\x10" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
                    for name, value in fields.items())


def message(data: bytes) -> bytes:
    """gRPC's prefix before an uncompressed message."""
    return b"\0" + len(data).to_bytes(4, "big") + data


@dataclass
class Wire:
    """A connection after the preface; what the server says is kept, a chunk at a time."""

    line: ssl.SSLSocket
    heard: bytearray = field(default_factory=bytearray)

    def say(self, data: bytes) -> bool:
        """Send *data*; False where the server has hung up, or takes no more within a second."""
        self.line.settimeout(1.0)
        try:
            self.line.sendall(data)
        except (OSError, ssl.SSLError):
            return False
        return True

    def hears(self, seconds: float) -> bool:
        """Take one chunk of what comes within *seconds*; False at the end of the line or of the patience."""
        self.line.settimeout(seconds)
        try:
            data = self.line.recv(1 << 16)
        except (OSError, ssl.SSLError):
            return False
        self.heard += data
        return bool(data)

    def is_over(self, seconds: float) -> bool:
        """Whether the server hangs up within *seconds* of silence."""
        self.line.settimeout(seconds)
        try:
            while data := self.line.recv(1 << 16):
                self.heard += data
        except TimeoutError:
            return False
        except (OSError, ssl.SSLError):
            return True
        return True


@contextmanager
def dialled(federation: Federation, address: str, name: str = "north", first: bytes = b"") -> Iterator[Wire]:
    """*name*'s connection, on which the preface, settings and *first* were said."""
    context = ssl.create_default_context(cafile=str(federation.ca))
    context.load_cert_chain(federation.files[name].certificate, federation.files[name].key)
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with (socket.create_connection((host, int(port)), timeout=5) as plain,
          context.wrap_socket(plain, server_hostname=host) as line):
        line.sendall(PREFACE + (first or frame(SETTINGS)))
        yield Wire(line)
