"""Autobahn|Testsuite against longwire: `make conformance`, and sections 1 to 10 in `make test`.

The suite runs on Python 2.7 in its own environment (scripts/autobahn_install.sh). As a server
under test stands ``longwire serve --dev`` with its /echo; as a client, ``client.py`` here. What
each case must give stands in ``expected.toml``.
"""
