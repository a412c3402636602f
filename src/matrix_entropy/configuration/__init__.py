"""The configuration: read, checked and filled in."""
