"""Covet for Python; the client is `covetpy.client`."""
