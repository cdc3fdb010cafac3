"""Codecs. Each protocol has two levels.

A *view* checks lengths, versions and checksums once, when it is made; after that none of its
accessors can fail. A *value* holds only what is legal and encodes itself. Both refuse bad octets
with :exc:`~longwire.tcpip.wire.errors.WireError`, which carries a reason code, and with nothing
else.
"""
