"""Real descriptors: links, listeners, TLS, flow control, drain, connect() and serve()."""
