"""Streams in one SQLite file: on disk before they are acknowledged, with no server to run."""
