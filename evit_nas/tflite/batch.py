"""A batch left open (-1), as TFLiteConverter writes it for a Keras model by default, is a batch of one.

The file has the size 1 in `shape` already, and -1 in `shape_signature` beside it; the runtime's C API can only plan
what is static. Writing 1 into the signature is what `resize_tensor_input` to a batch of one would come to.
"""

from __future__ import annotations

import struct

from evit_nas.tflite.flatbuffer import BadFlatbuffer, Flatbuffer, Table

_SHAPE, _SIGNATURE = 0, 7  # fields of a tensor


def with_batch_of_one(content: bytes) -> bytes:
    """`content` with every open batch closed; any other content, damaged or open elsewhere, as it is."""
    try:
        places = _open_batches(Flatbuffer(content))
    except (BadFlatbuffer, struct.error, ValueError):
        return content
    if not places:
        return content
    changed = bytearray(content)
    for place in places:
        changed[place : place + 4] = struct.pack("<i", 1)
    return bytes(changed)


def _open_batches(file: Flatbuffer) -> list[int]:
    """Where the -1 of each open batch lies."""
    return [
        place
        for subgraph in file.root().tables(2)
        for tensor in subgraph.tables(0)
        if (place := _open_batch(tensor)) is not None
    ]


def _open_batch(tensor: Table) -> int | None:
    signature = tensor.ints(_SIGNATURE)
    if not signature or signature[0] != -1 or -1 in signature[1:] or tensor.ints(_SHAPE)[:1] != (1,):
        return None
    return tensor.vector(_SIGNATURE, 4)[0]
