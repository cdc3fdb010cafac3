"""TCP. Read RFC 9293 section 3 first, then RFC 5681, 6298, 6675 and 7323; RFC 7414 is the map.

One control block (``control``) is passed between the modules, each of which has one concern:
``opening``, ``receiving``, ``acknowledging``, ``sending``, ``timers``, ``closing``, ``problems``.
``connection`` is the outside of it, ``layer`` the table of all connections of a host.

Sequence numbers inside are plain integers that never wrap: a 32-bit number from the wire is
unwrapped next to one that is known (``sequence``), and comparisons are ``<`` and ``>``.
"""
