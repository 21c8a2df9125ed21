"""Real covetd processes, and clients that the project did not write, for the end-to-end tests."""
