"""The reliability lab behind ``longwire bench``: fleets of clients over links that are cut, servers
that are killed, and a verdict on what was delivered, for longwire and for others alike."""
