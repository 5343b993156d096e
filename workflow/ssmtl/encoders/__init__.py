"""Shared encoders, one file each."""
