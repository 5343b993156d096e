"""Pictures and video: decoding, encoding and drawing."""
