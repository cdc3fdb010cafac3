"""Streams as values and rules: names, positions, entries, producers, and the store contract.

Nothing here touches a clock, a file or a socket, so clients use it as well as servers.
"""
