"""A device that lets nothing pass but octets, and checks that the codecs agree with themselves."""

from __future__ import annotations

from longwire.tcpip.device import Device, DeviceWrapper, Medium, Unit, unit_octets
from longwire.tcpip.wire.ethernet import EthernetFrame
from longwire.tcpip.wire.ip import decode_packet

__all__ = ["WireCheck"]


class WireCheck(DeviceWrapper):
    """Around a device on which packets travel as objects.

    What is sent is encoded, decoded and encoded again; the octets must be the same, and are what
    goes on, so that the receiver has to read them. A difference is a bug here: AssertionError.
    """

    def __init__(self, inner: Device) -> None:
        super().__init__(inner)
        self.large_octets = 0  # octets do not tell how they are to be split

    def send(self, unit: Unit, now_ns: int) -> None:
        octets = unit_octets(unit)
        if not isinstance(unit, bytes):
            again = EthernetFrame.parse if self.medium is Medium.ETHERNET else decode_packet
            assert unit_octets(again(octets)) == octets, f"the codecs disagree over {unit!r}"
        self.inner.send(octets, now_ns)
