"""What a job asks a cluster for, by the size of its input and the attempt."""

import math

from ssmtl.planning.registry import Demand


def demanded(demand: Demand, size: float, attempt: int, unit: int = 1) -> int:
    """What a job needs for `size` bytes of input, doubled with every further attempt.

    unit: what a whole of the demand is in the result's unit: 1000 for MB of GB.
    """
    return math.ceil(unit * (demand.start + demand.per_gb * size / 1e9) * 2 ** (attempt - 1))
