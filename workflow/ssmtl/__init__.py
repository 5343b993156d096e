"""Self-supervised multi-task anomaly detection as a staged, cacheable pipeline."""

__version__ = "0.1.0"
