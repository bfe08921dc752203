"""What the services need from the outside, and who hears of what they do, as protocols: a module for each concern."""
