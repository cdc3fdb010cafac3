"""Our TCP beside Linux's: both senders over the same link object with the same drops.

``make parity`` runs the grid and writes docs/kernel-parity.md. Ours runs in virtual time, and
repeats exactly; Linux runs in real time between two network namespaces, whose TUN devices this
process joins with our link. Either sends as much as it can for the same time; goodput is what the
receiving application has read, retransmissions are what TCP_INFO counts.

=============  ====================================================================
module         what it is
=============  ====================================================================
``grid``       the cells, and the link and the drops of each
``ours``       one run of our stack
``linux``      one run of Linux; ``endpoint`` is the program at either end
``verdict``    medians, bands, and which cells keep within them
``report``     the page
=============  ====================================================================
"""
