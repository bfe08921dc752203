"""DICOM network communication without input or output: bytes in, events out, bytes out.

Nothing here knows a socket, a clock or a thread: the owner hands over what it received and the time of a monotonic
clock, and sends what it is given.

Ref: PS3.7 (messages), PS3.8 (upper layer).
"""
