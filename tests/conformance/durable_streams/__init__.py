"""The conformance suite of the Durable Streams protocol against ``longwire serve``, on each store.

The suite is the npm package ``@durable-streams/server-conformance-tests``; tests/node has it, and
the file that runs it under vitest.
"""
