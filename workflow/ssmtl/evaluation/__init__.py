"""From the scores of objects to frame scores, metrics, protocols and studies."""
