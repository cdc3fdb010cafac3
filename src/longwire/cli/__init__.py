"""The ``longwire`` command."""
