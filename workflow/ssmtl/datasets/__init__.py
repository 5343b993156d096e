"""Data sets: readers of video and of pictures, labels and ground truth."""
