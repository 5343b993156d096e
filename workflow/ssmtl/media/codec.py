"""Encoded images and their pixels. Pictures are uint8 (height, width, 3), RGB."""

import cv2
import numpy as np

from ssmtl.core.errors import InputError


def decode_image(
    data: bytes | np.ndarray, where: str, levels: tuple[int, int] | None = None
) -> np.ndarray:
    """The picture in an encoded image, uint8 (H, W, 3) RGB, upright; grey images become RGB.

    levels: of an image of 16 bits, the values that become 0 and 255; what is beyond is clipped.
    `where` names the image in the InputError that unreadable data raises, and 16 bits without
    levels.
    """
    picture = decode_depth(data, where)
    if picture.dtype == np.uint8:
        return picture
    if levels is None:
        raise InputError(
            f"{where}: an image of 16 bits among others of 8, or where 8 are expected; convert it"
        )
    low, high = levels
    stretched = (picture.astype(np.float32) - low) * (255 / max(high - low, 1))
    return np.rint(stretched).clip(0, 255).astype(np.uint8)


def decode_depth(data: bytes | np.ndarray, where: str) -> np.ndarray:
    """The picture in an encoded image as deep as it is, uint8 or uint16 (H, W, 3) RGB, upright."""
    buffer = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    picture = None
    if len(buffer):
        try:
            picture = cv2.imdecode(buffer, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH)
        except cv2.error as error:
            raise InputError(
                f"{where}: no image that can be read, larger than 134 million pixels for instance "
                f"({error.err or error.code}); exclude the clip, or replace the image"
            ) from error
    if picture is None:
        raise InputError(f"{where}: unreadable image; fetch it again or exclude the clip")
    if picture.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{where}: an image of {picture.dtype} values; convert it to 8 or 16 bits")
    return picture


def check_end(data: bytes, where: str) -> None:
    """InputError for a JPEG file that ends within its picture: decoders fill it up with grey."""
    # Neither marker can be among the coded pixels.
    if data[:2] == b"\xff\xd8" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise InputError(f"{where}: unreadable image, it is cut off; fetch it again or exclude it")


def decode_mask(data: bytes, where: str) -> np.ndarray:
    """Which pixels of an encoded image are not black, at any depth, bool (H, W)."""
    return np.any(decode_depth(data, where), axis=2)


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
