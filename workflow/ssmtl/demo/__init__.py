"""The demo: a synthetic fixed camera, its data set and its detector."""
