"""longwire beside other WebSocket servers: one run, interleaved, a table of ratios."""
