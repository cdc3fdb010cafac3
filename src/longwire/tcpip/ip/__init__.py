"""The Internet layer of a host: interfaces, routes, neighbours, fragments, ICMP errors."""
