"""What the archive does by itself and over time, wired: a module a part."""
