"""The training loop that one would write in an afternoon: plain torch, the same mathematics.

Two DataLoader workers read batches from HDF5 and make the views; the network is of torch's own
layers. It takes our initial weights, our order of samples and our draws, so that its losses must be
ours. Only what the losses need is here: no validation, no checkpoint, no running averages.
"""

import h5py
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from ssmtl.learning.encoders.cnn3d import FILTERS
from ssmtl.learning.tasks.motion_irregularity import intermittent_indices


class Batches(Dataset):
    """Batch number i: all views as uint8 (B, T, S, S, 3), and the targets."""

    def __init__(self, cubes, teachers, clip, plan, draws, radius, max_gap):
        self.paths, self.clip, self.plan, self.draws = (cubes, teachers), clip, plan, draws
        self.radius, self.max_gap, self.files = radius, max_gap, None

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, number: int) -> dict:
        if self.files is None:  # in the worker
            self.files = [h5py.File(path)[self.clip] for path in self.paths]
        cubes, teachers = self.files
        rows = self.plan[number]
        order = np.argsort(rows)
        back = np.argsort(order)

        def read(group, name):
            return torch.from_numpy(group[name][rows[order]][back])

        stored, valid = read(cubes, "cubes"), read(cubes, "valid").long()
        middle, t = stored.shape[1] // 2, self.radius
        index, usable = intermittent_indices(
            valid, middle, t, self.max_gap, self.draws[torch.from_numpy(rows)]
        )
        window = stored[:, middle - t : middle + t + 1]
        return {
            "consecutive": window,
            "reversed": window.flip(1),
            "intermittent": stored[torch.arange(len(rows))[:, None], index],
            "without_middle": window[:, [i for i in range(2 * t + 1) if i != t]],
            "middle": window[:, t : t + 1],
            "usable": usable,
            "logits": read(teachers, "logits"),
            "class_probs": read(teachers, "class_probs"),
        }


def head(channels: int, side: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32, track_running_stats=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (side // 2) ** 2, outputs),
    )


class Network(nn.Module):
    def __init__(self, depth: str, width: str, size: int, classes: int):
        super().__init__()
        layers, channels, stages = [], 3, FILTERS[depth, width]
        for filters in stages:
            for count in filters:
                layers += [
                    nn.Conv3d(channels, count, 3, padding=1, bias=False),
                    nn.BatchNorm3d(count, track_running_stats=False),
                    nn.ReLU(),
                ]
                channels = count
            layers.append(nn.MaxPool3d((1, 2, 2)))
        self.encoder = nn.Sequential(*layers)
        side = size >> len(stages)
        self.arrow, self.irregularity = head(channels, side, 2), head(channels, side, 2)
        self.student = head(channels, side, 1000 + classes)
        decoder = []
        for _ in stages[:-1]:
            decoder += [
                nn.Upsample(scale_factor=2),
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels, track_running_stats=False),
                nn.ReLU(),
            ]
        self.decoder = nn.Sequential(
            *decoder, nn.Upsample(scale_factor=2), nn.Conv2d(channels, 3, 3, padding=1)
        )

    def copy_weights(self, model) -> None:
        """Our model's initial weights: parameters come in the same order in every part."""
        parts = {
            "encoder": model.encoder,
            "arrow": model.tasks["arrow_of_time"].head,
            "irregularity": model.tasks["motion_irregularity"].head,
            "decoder": model.tasks["middle_box"].head,
            "student": model.tasks["distillation"].head,
        }
        with torch.no_grad():
            for name, part in parts.items():
                pairs = zip(getattr(self, name).parameters(), part.parameters(), strict=True)
                for own, theirs in pairs:
                    own.copy_(theirs)

    def features(self, views: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        joined = torch.cat(views).permute(0, 4, 1, 2, 3).float() / 255
        if next(self.encoder.parameters()).is_contiguous():
            joined = joined.contiguous()
        return self.encoder(joined).amax(2).chunk(len(views))

    def forward(self, batch: dict, mean: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
        """The total loss."""
        forward, backward, skipping = self.features(
            [batch["consecutive"], batch["reversed"], batch["intermittent"]]
        )
        count = len(forward)
        label = torch.arange(2, device=forward.device).repeat_interleave(count)
        arrow = F.cross_entropy(self.arrow(torch.cat((forward, backward))).float(), label)
        logits = self.irregularity(torch.cat((forward, skipping))).float()
        weight = batch["usable"].float().repeat(2)
        irregularity = (F.cross_entropy(logits, label, reduction="none") * weight).sum()
        irregularity = irregularity / weight.sum()
        (around,) = self.features([batch["without_middle"]])
        truth = batch["middle"][:, 0].permute(0, 3, 1, 2).float() / 255
        middle = (self.decoder(around).float() - truth).abs().mean()
        (alone,) = self.features([batch["middle"]])
        output = self.student(alone).float()
        resnet = (output[:, :1000] - (batch["logits"] - mean) / deviation).abs().mean()
        probs = (output[:, 1000:] - batch["class_probs"]).abs().mean()
        return arrow + irregularity + middle + 0.5 * (resnet + probs)


def train(network, batches: Batches, mean, deviation, device, low: bool):
    """Yields the loss of every step, as a number."""
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    loader = DataLoader(batches, batch_size=None, num_workers=2, pin_memory=device.type == "cuda")
    network.train()
    for batch in loader:
        batch = {name: values.to(device, non_blocking=True) for name, values in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            loss = network(batch, mean, deviation)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield loss.item()
