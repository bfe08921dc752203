"""Pixel work in processes of its own, which may be killed: what codestreams do to a decoder stays there."""
