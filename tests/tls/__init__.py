"""TLS: its parts, and handshakes with a real server."""
