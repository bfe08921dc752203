"""TLS for both doors and for calls to other nodes: contexts, listening, certificates, and what went wrong in words."""
