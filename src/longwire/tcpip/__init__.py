"""A userspace TCP/IP host without input or output of its own. See docs/tcpip.md."""
