"""An adapter as bytes and back, with two checksums: a changed byte is found out instead of served."""

import hashlib
import json
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from mlcourse.serving.store import Adapter, Damaged, Summary

CHECKSUM = 16  # bytes
OF_OBJECTS = 2_000  # bytes that Python's objects around an unpacked adapter take, roughly


class Packed(NamedTuple):
    """What a store keeps under an owner and an id."""

    facts: bytes  # all but the arrays, in JSON
    arrays: bytes  # in the safetensors format
    stamp: bytes  # the checksum of id, owner and facts, then that of the arrays

    @property
    def in_memory(self) -> int:
        """About how many bytes the adapter takes when unpacked."""
        return sum(map(len, self)) + OF_OBJECTS


def pack(adapter: Adapter) -> Packed:
    """ValueError for arrays that safetensors does not know, and for an `about` that is no plain JSON."""
    try:
        facts = json.dumps(
            [adapter.model, adapter.version, adapter.created, adapter.about], allow_nan=False
        ).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"about is {adapter.about!r}; give plain JSON with finite numbers ({error})") from error
    try:
        # safetensors 0.8 writes a transposed array in the wrong order
        arrays = safetensors.numpy.save(
            {name: np.asarray(array, order="C") for name, array in adapter.arrays.items()}
        )
    except SafetensorError as error:
        kinds = {name: str(getattr(array, "dtype", type(array))) for name, array in adapter.arrays.items()}
        raise ValueError(f"arrays are of {kinds}; give NumPy arrays of real numbers ({error})") from error
    return Packed(facts, arrays, _of_facts(adapter.id, adapter.owner, facts) + _checksum(arrays))


def unpack(id: str, owner: str, packed: Packed) -> Adapter:
    """The adapter that was packed, its arrays read-only, since a cache gives them to several; or `Damaged`."""
    summary = unpack_summary(id, owner, packed.facts, packed.stamp)
    if not isinstance(packed.arrays, bytes) or _checksum(packed.arrays) != packed.stamp[CHECKSUM:]:
        raise Damaged(f"the arrays of adapter {id} are not those that were kept; delete it and adapt again")
    arrays = safetensors.numpy.load(packed.arrays)
    for array in arrays.values():
        array.flags.writeable = False
    return Adapter(id, owner, *summary[1:], arrays)


def unpack_summary(id: str, owner: str, facts: bytes, stamp: bytes) -> Summary:
    """What is known without the arrays; or `Damaged`."""
    whole = isinstance(facts, bytes) and isinstance(stamp, bytes)
    if not whole or _of_facts(id, owner, facts) != stamp[:CHECKSUM]:
        raise Damaged(f"the facts of adapter {id} are not those that were kept; delete it and adapt again")
    return Summary(id, *json.loads(facts))


def _of_facts(id: str, owner: str, facts: bytes) -> bytes:
    return _checksum(
        ascii((id, owner)).encode() + facts
    )  # with its names: a row under another's name is found out


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECKSUM).digest()
