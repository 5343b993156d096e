"""What is drawn into pictures of video: boxes, text and the running curve of the scores.

Pictures are uint8 (H, W, 3) RGB.
"""

import cv2
import numpy as np

PAPER, INK, FAINT = (250, 250, 248), (31, 35, 40), (176, 180, 186)
TRUTH = (229, 72, 77)
# A score of 0 is calm, of 1 alarming; told apart by the colour-blind too.
LOW, MIDDLE, HIGH = (64, 156, 222), (250, 206, 60), (226, 50, 55)
FONT, TEXT = cv2.FONT_HERSHEY_SIMPLEX, 0.42
LEAST_WIDTH, MOST_WIDTH = 480, 960  # small pictures are enlarged, so that text beside them fits


def shade(score: float) -> tuple[int, int, int]:
    """The colour of a score in [0, 1]."""
    stops = zip(LOW, MIDDLE, HIGH, strict=True)
    red, green, blue = (int(np.interp(score, (0, 0.5, 1), each)) for each in stops)
    return red, green, blue


def write(picture: np.ndarray, text: str, place: tuple[int, int], colour=INK) -> None:
    """Text whose baseline starts at `place`, x y."""
    cv2.putText(picture, text, place, FONT, TEXT, colour, 1, cv2.LINE_AA)


def width_of(text: str) -> int:
    return cv2.getTextSize(text, FONT, TEXT, 1)[0][0]


def fitted(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """A copy at a width between LEAST_WIDTH and MOST_WIDTH, and how much larger it is."""
    width = min(max(picture.shape[1], LEAST_WIDTH), MOST_WIDTH) // 2 * 2
    scale = width / picture.shape[1]
    if scale == 1:
        return picture.copy(), 1.0
    size = (width, round(picture.shape[0] * scale / 2) * 2)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, size, interpolation=how), scale


def draw_boxes(
    picture: np.ndarray,
    box: np.ndarray,
    score: np.ndarray,
    words: str = "",
    top: float = 1,
    numbers: bool = True,
) -> None:
    """Boxes (N, 4), x1 y1 x2 y2 in pixels of this picture, in the colour of their scores (N,).

    The highest, drawn last, also has `words` beside its score; top: the score that is alarming.
    numbers: whether the others have their scores beside them, and it where it has no words.
    """
    corners = np.rint(box).astype(int).tolist()
    order = np.argsort(score, kind="stable").tolist()
    for i in order:
        (x1, y1, x2, y2), colour = corners[i], shade(score[i] / top)
        cv2.rectangle(picture, (x1, y1), (x2, y2), colour, 2 if i == order[-1] else 1, cv2.LINE_AA)
        if not numbers and (not words or i != order[-1]):
            continue
        text = f"{score[i]:.2f}" + (f" {words}" if words and i == order[-1] else "")
        wide = width_of(text) + 4
        left = max(0, min(x1, picture.shape[1] - wide))
        line = y1 - 14 if y1 >= 14 else min(y2, picture.shape[0] - 14)
        cv2.rectangle(picture, (left, line), (left + wide, line + 14), colour, -1)
        write(picture, text, (left + 2, line + 11), INK if score[i] < 0.7 * top else PAPER)


def draw_clock(picture: np.ndarray, text: str) -> None:
    """A time in the lower left corner."""
    bottom, wide = picture.shape[0], width_of(text) + 8
    picture[max(bottom - 18, 0) :, :wide] //= 3
    write(picture, text, (4, bottom - 5), PAPER)


class Curve:
    """The panel under a picture: the frame scores of a clip, its ground truth, and the present."""

    height, bar, margin = 76, 8, 6

    def __init__(
        self,
        width: int,
        smoothed: np.ndarray,
        raw: np.ndarray,
        label: np.ndarray | None,
        top: float = 1,
    ):
        """smoothed, raw: (T,); label: bool (T,), None where there is no ground truth; top: the
        score at the upper edge."""
        self.frames, smoothed, raw = len(smoothed), smoothed / top, raw / top
        self.x = np.linspace(self.margin, width - 1 - self.margin, self.frames)
        blank = np.full((self.height, width, 3), PAPER, np.uint8)
        if label is not None:
            low = self.height - self.bar
            blank[low:, self.margin : width - self.margin] = FAINT
            step = (width - 2 * self.margin) / self.frames
            for frame in np.flatnonzero(label):
                left = self.margin + int(frame * step)
                right = self.margin + int(np.ceil((frame + 1) * step))
                blank[low:, left:right] = TRUTH
        self.line(blank, raw, (224, 226, 230))
        self.line(blank, smoothed, FAINT)
        self.dim, self.bright = blank, blank.copy()
        for start in range(self.frames - 1):
            part = slice(start, start + 2)
            self.line(self.bright, smoothed[part], shade(smoothed[start]), self.x[part], 2)

    def line(self, picture, values, colour, x=None, thickness: int = 1) -> None:
        room = self.height - self.bar - 2 * self.margin
        y = self.margin + (1 - np.clip(values, 0, 1)) * room
        points = np.stack((self.x if x is None else x, y), 1)
        points = np.rint(points).astype(np.int32)[:, None]
        cv2.polylines(picture, [points], False, colour, thickness, cv2.LINE_AA)

    def at(self, frame: int) -> np.ndarray:
        """The panel at a frame: the curve so far stands out."""
        now = round(self.x[frame])
        panel = self.dim.copy()
        panel[:, : now + 1] = self.bright[:, : now + 1]
        cv2.line(panel, (now, 0), (now, self.height), INK, 1)
        return panel
