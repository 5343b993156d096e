"""Training by several processes that share every batch, started by torch's own launcher.

`torchrun --nproc_per_node=N -m ssmtl train ...`: one process per GPU (nccl), or several on the CPU
(gloo). Each takes its part of every batch, and sums over the processes make the loss, the
gradient and the batch norm those of the whole batch, so that the number of processes changes
nothing but rounding. In a process of its own all functions here do nothing.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F

from ssmtl.core.errors import InputError

# The first process may wait long for the training folder; the launcher ends those left behind.
PATIENCE = timedelta(days=30)


def rank() -> int:
    """This process's number."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this process is the one that writes files and tells the user."""
    return rank() == 0


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def local_processes() -> int:
    """How many of these run on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if dist.is_initialized() else 1


@contextmanager
def session() -> Iterator[None]:
    """Joins the processes that the launcher started, if it did, for the length of the block.

    An exception leaves the block in the process where it came first; the others, which may wait
    for that one, end with status 2 and without a word. Raises InputError for more processes than
    GPUs on this machine.
    """
    if not dist.is_torchelastic_launched():
        yield
        return
    store, number, count = next(dist.rendezvous("env://"))
    if number:
        logging.getLogger("ssmtl").setLevel(logging.ERROR)
    try:
        join(store, number, count)
        yield
        wait()
    except Exception as error:
        if store.add("failed", 1) > 1:
            raise SystemExit(2) from error
        raise
    dist.destroy_process_group()


def join(store: dist.Store, number: int, count: int) -> None:
    """Makes this process number `number` of `count`, with a GPU of its own where there are any."""
    if not torch.cuda.is_available():
        dist.init_process_group(
            "gloo", store=store, rank=number, world_size=count, timeout=PATIENCE
        )
        return
    local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local >= gpus:
        raise InputError(
            f"train: {os.environ['LOCAL_WORLD_SIZE']} processes, but {gpus} GPUs on this machine; "
            f"start at most --nproc_per_node={gpus}"
        )
    torch.cuda.set_device(local)  # what `device()` then means
    dist.init_process_group(
        "nccl",
        store=store,
        rank=number,
        world_size=count,
        timeout=PATIENCE,
        device_id=torch.device("cuda", local),
    )


def wait() -> None:
    """Returns when all processes are here."""
    if processes() > 1:
        dist.barrier()


def from_first(ask: Callable):
    """What `ask` returns in the first process, which alone calls it."""
    answer = [ask() if is_first() else None]
    if processes() > 1:
        dist.broadcast_object_list(answer)
    return answer[0]


def part(rows: np.ndarray) -> np.ndarray:
    """This process's rows of a batch; the parts differ by one row at most and may be empty."""
    return np.array_split(rows, processes())[rank()]


def total(values: Tensor) -> Tensor:
    """The sum of a tensor over all processes, the same to the last bit in each of them."""
    if processes() == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values


def add_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Puts the sum of all processes' gradients in their place, with one message."""
    if processes() == 1:
        return
    gradients = [parameter.grad for parameter in parameters]
    sums = total(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, values in zip(gradients, sums.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(values.view(gradient.shape))


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the whole batch: (B, C, H, W) -> (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.num_batches_tracked.add_(1)
        mean, variance = self.running_mean, self.running_var
        return batch_norm(
            x, mean, variance, self.weight, self.bias, self.training, self.momentum, self.eps
        )


def batch_norm(
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor,
    bias: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """torch's `batch_norm`, with the moments of all processes' parts of x (B, C, ...).

    Gradients of x are those of the sum of all processes' losses, those of weight and bias this
    process's share of them. Moments are float32 whatever x is. torch's SyncBatchNorm would do
    this on GPUs only, and without running statistics per length.
    """
    if not training or processes() == 1:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    with torch.no_grad():
        count = total(torch.tensor(x.numel() // x.shape[1], device=x.device))
        mean = total(channel_sums(x.float())) / count
        variance = total(channel_sums((x.float() - spread(mean, x)).square())) / count
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance * (count / (count - 1)), momentum)
    return WholeBatchNorm.apply(x, weight, bias, mean, variance, count, eps)


class WholeBatchNorm(torch.autograd.Function):
    """Normalises x by the given moments, and differentiates through these as well."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean, variance, count, eps):
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt(), count)
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx, gradient):
        x, weight, mean, scale, count = ctx.saved_tensors
        normal = (x.float() - spread(mean, x)) * spread(scale, x)
        gradient = gradient.float()
        for_bias, for_weight = channel_sums(gradient), channel_sums(gradient * normal)
        means = total(torch.stack((for_bias, for_weight))) / count
        gradient = gradient - spread(means[0], x) - normal * spread(means[1], x)
        for_x = (gradient * spread(scale * weight, x)).to(x.dtype)
        return for_x, for_weight, for_bias, None, None, None, None


def channel_sums(x: Tensor) -> Tensor:
    """(B, C, ...) -> (C,)"""
    return x.sum([0, *range(2, x.ndim)])


def spread(values: Tensor, x: Tensor) -> Tensor:
    """Values per channel (C,), in a shape that goes with x (B, C, ...)."""
    return values.view(-1, *[1] * (x.ndim - 2))
