"""Measures the scores of another method, nothing of this project's but its metrics.

python examples/api/measure_any_method.py
"""

import numpy as np

import ssmtl

rng = np.random.default_rng(0)
labels = {"01": [(60, 99)], "02": [], "03": [(0, 119)]}  # intervals of frames, both included
scores = {}
for clip, intervals in labels.items():
    scores[clip] = rng.gamma(2.0, 1.0, 120)  # of any range
    for first, last in intervals:
        scores[clip][first : last + 1] += 0.8

print(ssmtl.evaluate(scores, labels))  # as they are: no padded macro AUC, which needs 0 to 1
print()
found = ssmtl.evaluate(
    scores,
    labels,
    normalise="all",
    smoothing="gaussian",
    sigma=2,
    border="replicate",
    threshold=0.35,
    fps=25,
)
print(found)
print(found.clips)
