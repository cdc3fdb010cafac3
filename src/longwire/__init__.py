"""longwire: the realtime stack for people who write Python.

``import longwire`` loads nothing but the standard library and longwire itself.
"""

__version__ = "0.1.0"
