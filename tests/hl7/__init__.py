"""HL7 messages: frames, text, what they say, and a server that takes them."""
