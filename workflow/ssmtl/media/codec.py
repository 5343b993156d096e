"""Encoded images and their pixels. Pictures are uint8 (height, width, 3), RGB."""

import cv2
import numpy as np

from ssmtl.core.errors import InputError


def decode_image(data: bytes | np.ndarray, where: str) -> np.ndarray:
    """The picture in an encoded image, uint8 (H, W, 3) RGB; grey images become RGB.

    `where` names the image in the InputError that unreadable data raises.
    """
    buffer = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    picture = None
    if len(buffer):
        picture = cv2.imdecode(buffer, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None:
        raise InputError(f"{where}: unreadable image; fetch it again or exclude the clip")
    return picture


def encode_jpeg(picture: np.ndarray, quality: int) -> bytes:
    """JPEG bytes of an RGB picture, chroma not subsampled; `quality` is 1 to 100."""
    flags = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)[1].tobytes()


def encode_png(picture: np.ndarray) -> bytes:
    """PNG bytes of an RGB picture."""
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
