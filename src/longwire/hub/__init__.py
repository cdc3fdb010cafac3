"""Fan-out: subscribers as readers of streams, publishing with hooks, permissions and limits."""
