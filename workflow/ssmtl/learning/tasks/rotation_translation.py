"""Rotation and translation at once: which of 4 rotations and 9 translations was it?

What the method of the second paper is compared with (Hendrycks et al., NeurIPS 2019, there called
MHRot): every picture goes through all 36 compositions, and three heads tell the rotation, the
vertical and the horizontal translation. The loss is the sum of the heads' cross-entropies, each
a mean over all compositions, the score 1 - the mean probability of the truth over heads and
compositions.
"""

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssmtl.learning.tasks.base import Batch, Shapes, Transformed, classifier
from ssmtl.learning.tasks.translation_vertical import moved

HEADS = (4, 3, 3)  # turned, moved down or up, moved right or left
WAYS = list(product(*map(range, HEADS)))


class RotationTranslation(Transformed):
    name = "rotation_translation"
    count = len(WAYS)

    def build_head(self, shapes: Shapes) -> nn.Module:
        """One head of 4 + 3 + 3 outputs is three heads of one layer each."""
        return classifier(shapes.channels, shapes.side, sum(HEADS))

    def transform(self, picture: Tensor, number: int, batch: Batch) -> Tensor:
        turned, down, right = WAYS[number]
        quarter = int(picture.shape[3]) // 4
        steps = 0, quarter, -quarter
        return moved(moved(picture.rot90(turned, (3, 4)), steps[down], 3), steps[right], 4)

    def loss(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        losses = [
            F.cross_entropy(logits.flatten(0, 1), label.repeat_interleave(len(batch.cubes)))
            for logits, label in self.told(features)
        ]
        return torch.stack(losses).sum()

    def score(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        true = [
            logits.softmax(2).gather(2, label[:, None, None].expand(-1, logits.shape[1], 1))
            for logits, label in self.told(features)
        ]
        return 1 - torch.cat(true, 2).mean((0, 2))  # of (count, B, heads)

    def told(self, features: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
        """What each head says of all views, float (count, B, classes), and the truth (count,)."""
        logits = self.logits(features)
        truth = torch.tensor(WAYS, device=logits.device).unbind(1)
        return list(zip(logits.split(HEADS, 2), truth, strict=True))
