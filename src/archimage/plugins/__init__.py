"""Plugins in processes of their own, which may be killed: what a plugin does to its process stays there."""
