"""Devices that need no kernel. Most wrap another device, so that they can be stacked."""
