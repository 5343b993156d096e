"""Pictures and video: decoding, encoding and drawing."""

import os

# OpenCV reads this once, when it is first imported: a file of a few kilobytes may declare any size.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 27))
