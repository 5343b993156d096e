"""`ssmtl learn` takes what footage there is: a clip that it cannot use is said, and left out."""

import numpy as np
from streams import write_lossless

from ssmtl.datasets.clips import Clip
from ssmtl.watching.learn import unusable_clips


def test_clips_that_cannot_be_used_are_said_and_left_out(tmp_path, caplog):
    pictures = [np.full((16, 24, 3), number, np.uint8) for number in range(9)]
    write_lossless(tmp_path / "glitch.mkv", pictures[:3])
    write_lossless(tmp_path / "whole.mkv", pictures)
    (tmp_path / "empty.mkv").write_bytes(b"")
    names = ("empty", "glitch", "whole")
    clips = [Clip("train", name, str(tmp_path / f"{name}.mkv")) for name in names]
    assert unusable_clips(clips, 7) == ["empty", "glitch"]
    assert "glitch.mkv: 3 frames are fewer than the 7 of one cube; it is passed over" in caplog.text
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and "empty.mkv" in said[0]
    assert "fewer" in said[1] and "exclude" not in said[1]  # which `learn` does not have
