"""Variables of Matlab files: of version 5 to 7 by SciPy, of version 7.3, which is HDF5, by h5py."""

from pathlib import Path

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError, environment
from ssmtl.formats import hdf5


def read_mat(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Those of some variables that a file has, as Matlab shapes them; a cell array is of objects.

    Raises InputError for a file that cannot be read; nothing that lies elsewhere is followed.
    """
    try:
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        raise
    except OSError as error:
        raise environment(error, path) or error from error
    try:
        if h5py.is_hdf5(path):
            return from_hdf5(path, names)
        # Imported here, since the workflow lists clips, without their labels, on every start.
        from scipy.io import loadmat

        found = loadmat(path, variable_names=names)
        return {name: found[name] for name in names if name in found}
    except Exception as error:  # a damaged file raises nearly anything in the parsers
        reason = hdf5.reason(error)
        raise InputError(f"{path}: unreadable labels ({reason}); fetch the file again") from error


def from_hdf5(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """The variables in a file of version 7.3."""
    with h5py.File(path, "r") as file:
        return {n: value_of(file, hdf5.member(file, n, "the variable")) for n in names if n in file}


def value_of(file: h5py.File, dataset: h5py.Dataset) -> np.ndarray:
    """A variable, whose axes HDF5 has in the other order, or the content of a cell array."""
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError("a structure or sparse matrix where an array is expected")
    if dataset.is_virtual or dataset.external:
        raise ValueError("values in another file, which is not read")
    if dataset.nbytes > hdf5.DENSEST * dataset.id.get_storage_size():
        raise ValueError("an array that was never written in full")
    if store.attribute(dataset, "MATLAB_empty", 0):
        return np.zeros(tuple(int(side) for side in np.ravel(dataset[()])))
    values = dataset[()].T
    if h5py.check_ref_dtype(dataset.dtype) is None:
        return values
    cells = np.empty(values.shape, object)
    for place, reference in np.ndenumerate(values):
        cells[place] = value_of(file, file[reference])
    return cells
