"""HL7 v2 messages over MLLP: a listener, what messages say, and a client."""
