"""Jigsaw: in which of k fixed random orders are the nine pieces of the picture [P]?

A piece is cut from its cell of the 3x3 grid at a random place, which leaves a random margin
between pieces [P], black here [D], so that edges that fit do not give the order away. Without
draws, that is at test, every piece is the middle of its cell.
"""

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ssmtl.learning.settings import TaskOptions
from ssmtl.learning.tasks.base import Batch, Shapes, Transformed

GRID = 3
PIECES = GRID**2
LARGEST = 6  # pixels of margin: one draw holds 2 * PIECES numbers up to it, exactly


def orders(count: int) -> Tensor:
    """Distinct random orders of the pieces, int64 (count, PIECES), the same in every run."""
    generator = torch.Generator().manual_seed(0)
    found: list[list[int]] = []
    while len(found) < count:
        order = torch.randperm(PIECES, generator=generator).tolist()
        if order not in found:
            found.append(order)
    return torch.tensor(found)


def offsets(draw: Tensor, margin: int) -> Tensor:
    """Where pieces are cut within their cells: draw float64 (B,) in [0, 1) -> (B, PIECES, 2).

    Uniform over all (margin + 1) ** (2 * PIECES) ways.
    """
    powers = (margin + 1) ** torch.arange(2 * PIECES, device=draw.device)
    way = (draw * (margin + 1) ** (2 * PIECES)).long()
    return (way[:, None] // powers % (margin + 1)).view(-1, PIECES, 2)


def cells(picture: Tensor) -> Tensor:
    """The grid's cells, row by row: (B, 3, 1, S, S) -> (B, PIECES, 3, S // GRID, S // GRID)."""
    cell = picture.shape[-1] // GRID
    edge = (picture.shape[-1] - GRID * cell) // 2
    inside = picture[:, :, 0, edge : edge + GRID * cell, edge : edge + GRID * cell]
    parts = inside.unflatten(3, (GRID, cell)).unflatten(2, (GRID, cell))  # (B, 3, r, y, c, x)
    return parts.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


def joined(parts: Tensor, side: int) -> Tensor:
    """The picture of cells (B, PIECES, 3, c, c), black where they do not reach its edges."""
    parts = parts.unflatten(1, (GRID, GRID)).permute(0, 3, 1, 4, 2, 5)  # (B, 3, r, y, c, x)
    inside = parts.flatten(4, 5).flatten(2, 3)
    left = side - inside.shape[-1]
    before, after = left // 2, left - left // 2
    return F.pad(inside, (before, after, before, after))[:, :, None]


class Options(TaskOptions):
    """Options of training the jigsaw."""

    permutations: int = Field(
        3,
        ge=2,
        le=1000,
        description="Orders of the pieces that are told apart, 3 by a public note.",
    )
    margin: float = Field(
        0.2,
        ge=0,
        lt=1,
        description=(
            "Largest margin that is left on a side of a piece, over the cell's side; at most 6 "
            "pixels."
        ),
    )


class Jigsaw(Transformed):
    options: "Options"
    orders: Tensor

    name = "jigsaw"
    Options = Options
    plain = False

    @property
    def count(self) -> int:  # type: ignore[override]
        return self.options.permutations

    def __init__(self, shapes: Shapes):
        super().__init__(shapes)
        self.register_buffer("orders", orders(self.count))

    def pieces(self, picture: Tensor, draw: Tensor | None) -> Tensor:
        """The nine pieces in their places, black around: (B, PIECES, 3, c, c)."""
        found = cells(picture)
        cell = int(found.shape[-1])
        margin = min(LARGEST, round(self.options.margin * cell))
        if draw is None:
            start = torch.full((1, PIECES, 2), margin // 2, device=found.device)
        else:
            start = offsets(draw, margin)
        place = torch.arange(cell, device=found.device)
        inside = (place >= start[..., None]) & (place < start[..., None] + cell - margin)
        mask = inside[:, :, 0, :, None] & inside[:, :, 1, None, :]  # (B or 1, PIECES, c, c)
        return found * mask[:, :, None]

    def transform(self, picture: Tensor, number: int, batch: Batch) -> Tensor:
        parts = self.pieces(picture, batch.draws.get(self.name))
        return joined(parts[:, self.orders[number]], picture.shape[-1])
