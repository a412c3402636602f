"""Texts and pictures that are written by rules."""
