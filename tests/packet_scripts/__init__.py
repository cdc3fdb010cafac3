"""Packet scripts: one language, run against our stack in virtual time and against Linux.

A script is lines of a time and a step; ``#`` begins a comment. Times are seconds since the script
began, or ``+`` and seconds since the line above; without a time a line happens together with the
one above. Our stack runs in virtual time with no tolerance: a segment that leaves a nanosecond
late, or that no line expects, fails the script with the line and what came instead. The kernel runs
in real time over TUN: the same segments must come in the same order, whenever they come.

    0      listen                                   the stack has a listener on port 80
           < S 0:0 win 65535 <mss 1460,sackOK>      the peer sends
           > S. 0:0 ack 1 <mss 1460>                the stack must send
    +0.1   < . 1:1 ack 1 win 65535
           accept
           write 1000                               the application writes
           > P. 1:1001 ack 1
           expect state ESTABLISHED

Segments: flags as tcpdump has them (``S F R P U .``), first and one past the last octet of text
relative to the sender's initial sequence number, ``ack N`` relative to the other's, ``win N`` as it
is on the wire, ``urg N``, and options between angle brackets: ``mss N``, ``wscale N``, ``sackOK``,
``sack A:B C:D``, ``ts VALUE ECHO``. Ours of VALUE counts milliseconds from our first segment. In
what is expected only flags, text and ``ack`` must be said; what is not said may be anything, but
``<>`` means that there are no options. Of the kernel, ``win``, ``wscale``, the PSH flag and VALUE
are not compared: its buffers and its clock are its own.

``< icmp KIND [mtu N] seq N`` injects an ICMP error that quotes our segment at N.

Application: ``listen [backlog N]``, ``connect``, ``accept``, ``write N [urgent]``, ``read N``
(must give exactly that many), ``close``, ``shutdown``, ``abort``, ``nodelay``, ``keepalive IDLE
[INTERVAL]``. A step may begin with ``#2`` to speak of a second connection, from the next port.

Checks: ``expect state NAME``, ``expect readable N``, ``expect writable N``, ``expect error CODE``
(or ``none``), ``expect end``, ``expect info NAME N`` (or ``< N``, ``> N``), ``expect reason CODE
N``, ``expect event NAME``, ``expect nothing to accept``. Of the kernel ``writable``, ``reason`` and
``event`` are not asked: it has no such notions.

====================  ==========================================================
module                what it is
====================  ==========================================================
``language``          lines to steps, segments as they are written
``script``            runs a script: plays the peer, compares what is sent
``target``            what a script asks of whatever it runs against
``stack``, ``kernel``  the two targets
``corpus``            the cases in ``*.script``, and how they are written
====================  ==========================================================
"""
