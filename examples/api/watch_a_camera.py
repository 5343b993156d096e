"""Prints the events of a camera as they end, and keeps a clip of each.

    python examples/api/watch_a_camera.py yard rtsp://camera/stream events

A recording does as well. Ctrl-C ends it.
"""

import sys

import ssmtl

model = ssmtl.load(sys.argv[1], false_alarms_per_hour=0.5)
for event in model.watch(sys.argv[2], output=sys.argv[3]):
    when = event["start_clock"] or f"{event['start']:.1f} s"
    print(f"{when}: {event['task']} at {event['box']}, score {event['score']}; {event['clip']}")
