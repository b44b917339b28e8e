"""Where to compute, and how arrays get there."""

import traceback
import warnings
from contextlib import contextmanager

import numpy as np
import torch

LINE = 64  # bytes: of the cache, and where torch has its memory begin


def find_device(name):
    """The torch device for the parameter `device`; ValueError where it is not there."""
    if name == "auto":
        name = next((kind for kind in ("cuda", "mps") if _is_available(kind, 0)), "cpu")
    kind, colon, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or bool(colon) != index.isdecimal():
        raise ValueError(
            f"device={name!r} is not known: use 'cpu', 'cuda', 'cuda:1', 'mps' or 'auto'."
        )
    if not _is_available(kind, int(index or 0)):
        raise ValueError(
            f"device={name!r} is not available on this machine: use device='cpu' or 'auto'."
        )
    return torch.device(name)


def find_device_or_cpu(name):
    """As `find_device`, for a fitted model: one trained elsewhere goes on with the CPU."""
    try:
        return find_device(name)
    except ValueError as error:
        warnings.warn(f"{error} Computing on the CPU instead.", UserWarning, stacklevel=4)
        return torch.device("cpu")


def _is_available(kind, index):
    if kind == "cpu":
        return index == 0
    if kind == "mps":
        return index == 0 and torch.backends.mps.is_available()
    return torch.cuda.is_available() and index < torch.cuda.device_count()


def as_tensor(array, device="cpu"):
    """A tensor of an array, which begins where torch's own do (see `Layout`).

    On the CPU it shares the array's memory where that begins there, and is not read-only.
    """
    if lacks_float64(device) and array.dtype == np.float64:
        array = array.astype(np.float32)
    if not array.flags.writeable:
        return torch.tensor(array, device=device)
    tensor = torch.from_numpy(array)
    on_the_cpu = torch.device(device).type == "cpu"
    return tensor.clone() if on_the_cpu and tensor.data_ptr() % LINE else tensor.to(device)


def off_torch(X):
    """X itself, or the array of a torch tensor, which NumPy refuses where it has a gradient."""
    if not isinstance(X, torch.Tensor):
        return X
    X = X.detach().cpu()
    return (X.float() if X.dtype == torch.bfloat16 else X).numpy()


def lacks_float64(device):
    """Whether the device computes in float32 at most."""
    return torch.device(device).type == "mps"


@contextmanager
def own_modes(gradients):
    """A context with gradients or without, whatever of torch's modes the caller has set."""
    # Inference mode would forbid what needs slopes to ask autograd for them.
    with torch.inference_mode(False), torch.set_grad_enabled(gradients), _no_autocast():
        yield


@contextmanager
def _no_autocast():
    kinds = [kind for kind in ("cpu", "cuda", "mps") if torch.is_autocast_enabled(kind)]
    for kind in kinds:
        torch.set_autocast_enabled(kind, False)
    try:
        yield
    finally:
        for kind in kinds:
            torch.set_autocast_enabled(kind, True)


@contextmanager
def memory_errors(remedy):
    """Turn torch's errors for lack of memory into MemoryError, whose message ends with a remedy."""
    try:
        yield
    except RuntimeError as error:
        if not _lacks_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # or they would keep what took the memory
        summary = str(error).partition("\n")[0]
        raise MemoryError(f"Not enough memory: {remedy}. ({summary})") from error


def _lacks_memory(error):
    signs = ("can't allocate memory", "out of memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in signs)
