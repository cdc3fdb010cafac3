"""The Redis store: several servers, one set of streams.

Every append is one script that checks, stores and notifies (``lua/append.lua``); the log of a
stream is a Redis Stream; sharded Pub/Sub carries the entries to the servers that have subscribers.
``store`` is the way in. Needs the ``redis`` extra.
"""
