"""Protocols over streams. Gateways know the hub and never each other."""
