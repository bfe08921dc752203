"""What is run by hand or by make to keep the project in order; no part of the package."""
