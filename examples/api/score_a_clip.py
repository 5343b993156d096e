"""Scores a recording: tables, a plot, and the video with what was found drawn into it.

    python examples/api/score_a_clip.py yard clip.mp4

`yard` is a folder that `ssmtl learn` wrote.
"""

import sys

import ssmtl

model = ssmtl.load(sys.argv[1])
found = model.score(sys.argv[2])

print(found.events[["source", "start", "end", "score", "task"]])
worst = found.objects.sort_values("score", ascending=False).head(5)
print(worst[["frame", "x1", "y1", "x2", "y2", *model.tasks, "score"]])

found.frames.to_csv("frames.csv", index=False)
found.plot().savefig("scores.png")
found.save_video("annotated.mp4")
