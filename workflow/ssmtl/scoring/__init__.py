"""From what is learnt to the anomaly score of every object or picture."""
