"""One thread of calculation in every process: two of pytest's workers share the machine."""

import os

# Before anything imports torch or NumPy; the processes that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"
