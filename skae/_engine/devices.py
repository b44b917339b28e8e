"""Devices for computation, and moving arrays to them."""

import traceback

import numpy as np
import torch

from skae._engine.notice import warn

LINE = 64  # bytes, of cache lines and of the alignment of torch's memory
DEVICES = ("cpu", "cuda", "mps")
# Like `torch.set_grad_enabled`, without making a context object.
switch_gradients = torch._C._set_grad_enabled


def find_device(name):
    """The torch device for the parameter `device`; ValueError if it is unavailable."""
    if name == "cpu":
        return torch.device(name)
    if name == "auto":
        name = next((kind for kind in ("cuda", "mps") if _is_available(kind, 0)), "cpu")
    kind, colon, index = name.partition(":")
    if kind not in DEVICES or bool(colon) != index.isdecimal():
        raise ValueError(
            f"device={name!r} is not known: use 'cpu', 'cuda', 'cuda:1', 'mps' or 'auto'."
        )
    if not _is_available(kind, int(index or 0)):
        raise ValueError(
            f"device={name!r} is not available on this machine: use device='cpu' or 'auto'."
        )
    return torch.device(name)


def find_device_or_cpu(name):
    """As `find_device`, for a fitted model: falls back to the CPU if it was trained elsewhere."""
    try:
        return find_device(name)
    except ValueError as error:
        warn(f"{error} Computing on the CPU instead.")
        return torch.device("cpu")


def _is_available(kind, index):
    if kind == "cpu":
        return index == 0
    if kind == "mps":
        return index == 0 and torch.backends.mps.is_available()
    return torch.cuda.is_available() and index < torch.cuda.device_count()


def as_tensor(array, device="cpu"):
    """A tensor of an array, aligned like torch's own tensors (see `Layout`).

    On the CPU it shares the array's memory if that is aligned and not read-only.
    """
    if array.dtype == np.float64 and lacks_float64(device):
        array = array.astype(np.float32)
    if not array.flags.writeable:
        return torch.tensor(array, device=device)
    tensor = torch.from_numpy(array)
    on_the_cpu = torch.device(device).type == "cpu"
    return tensor.clone() if on_the_cpu and tensor.data_ptr() % LINE else tensor.to(device)


def off_torch(X):
    """X itself, or the array of a torch tensor, which NumPy refuses if it has a gradient."""
    if not isinstance(X, torch.Tensor):
        return X
    X = X.detach().cpu()
    return (X.float() if X.dtype == torch.bfloat16 else X).numpy()


def lacks_bfloat16(device):
    """Whether the device emulates bfloat16: torch knows the instructions of CPUs."""
    if torch.device(device).type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    has = [has for name, has in torch.cpu.get_capabilities().items() if "bf16" in name]
    return bool(has) and not any(has)


def lacks_float64(device):
    """Whether the device computes in float32 at most."""
    return torch.device(device).type == "mps"


# These contexts are classes, since they surround every call: generators take four times longer.


class own_modes:
    """A context with gradients or without, independent of the caller's torch modes."""

    def __init__(self, gradients):
        self._gradients = gradients

    def __enter__(self):
        # Inference mode would forbid asking autograd for slopes.
        self._inference = torch.inference_mode(False) if torch.is_inference_mode_enabled() else None
        if self._inference is not None:
            self._inference.__enter__()
        self._before = torch.is_grad_enabled()
        switch_gradients(self._gradients)
        self._autocast = [*filter(torch.is_autocast_enabled, DEVICES)]
        for kind in self._autocast:
            torch.set_autocast_enabled(kind, False)

    def __exit__(self, *error):
        for kind in self._autocast:
            torch.set_autocast_enabled(kind, True)
        switch_gradients(self._before)
        if self._inference is not None:
            self._inference.__exit__(*error)


class memory_errors:
    """Turn torch's out-of-memory errors into MemoryError, whose message ends with a remedy."""

    def __init__(self, remedy):
        self._remedy = remedy

    def __enter__(self):
        pass

    def __exit__(self, kind, error, traceback_):
        explain_memory(error, self._remedy)


def explain_memory(error, remedy):
    """Raise a MemoryError if an error is torch's out-of-memory error."""
    if not (isinstance(error, RuntimeError) and _lacks_memory(error)):
        return
    traceback.clear_frames(error.__traceback__)  # otherwise they would keep the memory
    summary = str(error).partition("\n")[0]
    raise MemoryError(f"Not enough memory: {remedy}. ({summary})") from error


def _lacks_memory(error):
    signs = ("can't allocate memory", "out of memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in signs)
