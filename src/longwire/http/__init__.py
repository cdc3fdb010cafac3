"""HTTP without input or output: one vocabulary of events, an engine for each version.

``events`` is the vocabulary, ``engine`` what drivers see, ``h1`` HTTP/1.0 and 1.1.
``semantics``, ``negotiation`` and ``pages`` are what HTTP means in every version.
"""
