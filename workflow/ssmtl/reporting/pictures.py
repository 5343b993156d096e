"""Pictures in pages: frames with boxes, cube strips, data URIs. All are uint8 (H, W, 3) RGB."""

import base64

import cv2
import numpy as np

from ssmtl.media import codec

ALARM = (229, 72, 77)


def narrowed(picture: np.ndarray, width: int) -> tuple[np.ndarray, float]:
    """The picture at most `width` pixels wide, and how many times as large it now is."""
    scale = min(1.0, width / picture.shape[1])
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale


def boxed(picture: np.ndarray, box: np.ndarray | None, width: int) -> np.ndarray:
    """A frame, at most `width` pixels wide, with a box (4,) x1 y1 x2 y2 drawn on it."""
    small, scale = narrowed(picture, width)
    if box is not None:
        x1, y1, x2, y2 = np.rint(box * scale).astype(int).tolist()
        cv2.rectangle(small, (x1, y1), (x2, y2), ALARM, 2)
    return small


def cube_strip(cube: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The frames of a cube, uint8 (L, S, S, 3), side by side with gaps of 2 pixels.

    `valid` is [start, stop) of the frames that exist; the others are grey.
    """
    shown = np.full_like(cube, 128)
    shown[valid[0] : valid[1]] = cube[valid[0] : valid[1]]
    gap = np.full((cube.shape[1], 2, 3), 128, np.uint8)
    parts = [part for picture in shown for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=1)


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def image(data: bytes, kind: str, picture: np.ndarray) -> dict:
    """The attributes of an `<img>`: its data URI, width and height."""
    height, width = picture.shape[:2]
    uri = f"data:image/{kind};base64,{base64_text(data)}"
    return {"src": uri, "width": width, "height": height}


def jpeg(picture: np.ndarray, quality: int = 85) -> dict:
    return image(codec.encode_jpeg(picture, quality), "jpeg", picture)


def png(picture: np.ndarray) -> dict:
    return image(codec.encode_png(picture), "png", picture)
