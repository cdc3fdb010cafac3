"""Our own TCP/IP in real time: hosts of :mod:`longwire.tcpip` under asyncio, over TUN and TAP."""
