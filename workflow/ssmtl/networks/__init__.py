"""Frozen networks that say what a picture shows, found by name."""

from ssmtl.networks.pretrained import Network, load

__all__ = ["Network", "load"]
