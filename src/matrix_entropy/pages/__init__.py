"""The pages to read: notebooks, errata, the comparison, the index."""
