"""Addresses as configs write them: host:port."""

from dataclasses import dataclass
from ipaddress import ip_address

from cotally.v1.refusals import Misconfigured


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4, or IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True for this machine's own address."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_address(text: str) -> Address:
    """The address that *text* spells; Misconfigured if it is not host:port.

    >>> parse_address("[::1]:7443")
    Address(host='::1', port=7443)
    """
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise Misconfigured(f"{text!r} is not an address; write host:port, such as 127.0.0.1:7443")
    return Address(host, int(port))
