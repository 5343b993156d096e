"""The pages that a user opens, one module each."""
