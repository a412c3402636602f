"""Texts of data sets: read, sampled, derived, tokenised."""
