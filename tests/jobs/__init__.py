"""Durable work: the engine, and what a crash leaves."""
