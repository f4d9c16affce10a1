"""A machine as layer 1 knows it: a few physical constants that price any matrix product or stream of bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args

from aistack.errors import BadInput, UnknownName

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class MatmulRate:
    """What one number format's matrix products cost: a fixed part, a part per byte and a part per operation."""

    peak: float
    """FLOP/s that large products sustain; a multiply-add is two operations."""
    operand_bandwidth: float
    """B/s at which operands are read and repacked and the result is written, in matrix times matrix.

    Of operands that are not in the nearest cache, as a model's weights are not when their turn comes.
    """
    vector_bandwidth: float
    """The same in matrix times vector, which needs no repacking; at least `operand_bandwidth`."""
    overhead: float = 0.0
    """Seconds that every product costs beyond the machine's launch overhead."""

    def __post_init__(self) -> None:
        _require_positive(self, "peak", "operand_bandwidth", "vector_bandwidth")
        if not self.overhead >= 0:
            raise BadInput(f"overhead is {self.overhead} s; a product cannot take less than no time.")
        if self.vector_bandwidth < self.operand_bandwidth:
            raise BadInput(
                f"vector_bandwidth ({self.vector_bandwidth:.3g} B/s) is below operand_bandwidth "
                f"({self.operand_bandwidth:.3g} B/s), but a vector is a matrix with one row."
            )


@dataclass(frozen=True)
class Cache:
    """One level of cache, summed over the cores that are used."""

    name: str
    size: float
    """Bytes."""
    bandwidth: float
    """B/s that a stream sustains from it, reads and writes together."""

    def __post_init__(self) -> None:
        _require_positive(self, "size", "bandwidth")


@dataclass(frozen=True)
class Machine:
    """The constants of one device, fitted to measurements or taken from its datasheet."""

    name: str
    device: Device
    cores: int
    """Processor cores, or streaming multiprocessors of a GPU."""
    memory: float
    """Bytes."""
    matmul: Mapping[str, MatmulRate]
    """Number format ("float32", "bfloat16", ...) -> what its matrix products cost."""
    memory_bandwidth: float
    """B/s of main memory that a stream sustains, reads and writes together."""
    launch_overhead: float
    """Seconds that an eager PyTorch operation costs at least."""
    caches: tuple[Cache, ...] = ()
    """Nearest and smallest first; empty where nothing is known of them."""

    def __post_init__(self) -> None:
        if self.device not in get_args(Device):
            raise BadInput(f"The device of {self.name} is {self.device!r}; it must be one of {get_args(Device)}.")
        _require_positive(self, "cores", "memory", "memory_bandwidth")
        if not self.launch_overhead >= 0:
            raise BadInput(f"launch_overhead is {self.launch_overhead} s; an operation takes no less than no time.")
        sizes = [cache.size for cache in self.caches]
        bandwidths = [*(cache.bandwidth for cache in self.caches), self.memory_bandwidth]
        if sizes != sorted(sizes) or bandwidths != sorted(bandwidths, reverse=True):
            raise BadInput(f"The caches of {self.name} must grow in size and fall in bandwidth, down to its memory.")
        object.__setattr__(self, "matmul", MappingProxyType(dict(self.matmul)))

    def rate(self, dtype: str) -> MatmulRate:
        """The constants of `dtype`'s matrix products; `UnknownName` where this machine has none."""
        try:
            return self.matmul[dtype]
        except KeyError:
            raise UnknownName(f"matrix rate of {self.name}", dtype, self.matmul) from None

    def to_json(self) -> dict[str, Any]:
        """Plain mappings, lists and numbers; `from_json` gives the same machine back."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["matmul"] = {dtype: asdict(rate) for dtype, rate in self.matmul.items()}
        plain["caches"] = [asdict(cache) for cache in self.caches]
        return plain

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Machine:
        """Read what `to_json` wrote. Unknown and missing keys and wrong values raise `BadInput`."""
        values = dict(_mapping("machine", plain))
        values["matmul"] = {
            dtype: _build(MatmulRate, rate) for dtype, rate in _mapping("matmul", values.get("matmul")).items()
        }
        caches = values.get("caches", ())
        if not isinstance(caches, list | tuple):
            raise BadInput(f"caches must be a list, not {caches!r}.")
        values["caches"] = tuple(_build(Cache, cache) for cache in caches)
        return _build(Machine, values)


Kind = TypeVar("Kind", MatmulRate, Cache, Machine)


def _build(kind: type[Kind], plain: Any) -> Kind:
    """Make a dataclass from a mapping whose keys and kinds of values must fit exactly."""
    values = _mapping(kind.__name__, plain)
    known = {field.name: field.type for field in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise UnknownName(f"field of {kind.__name__}", unknown[0], known)
    for name, value in values.items():
        wanted = {"float": (int, float), "int": (int,), "str": (str,), "Device": (str,)}.get(str(known[name]))
        if wanted and (isinstance(value, bool) or not isinstance(value, wanted)):
            raise BadInput(f"{name} of {kind.__name__} must be a {known[name]}, not {value!r}.")
    try:
        return kind(**values)
    except TypeError as error:
        raise BadInput(f"{kind.__name__} is incomplete: {error}") from None


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInput(f"{name} must be a mapping of names to values, not {value!r}.")
    return value


def _require_positive(thing: object, *names: str) -> None:
    for name in names:
        value = getattr(thing, name)
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name} of {type(thing).__name__} is {value}; it must be above zero and finite.")
