"""Metrics of video anomaly detection."""
