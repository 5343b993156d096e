"""Pictures and video: decoding, encoding and drawing."""

import os

# OpenCV reads these once, when it is imported. A file of a few kilobytes may declare any size.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 27))
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong with an image we say ourselves
