"""float32 graph to float16 for GPUs."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16


def write_fp16(model: onnx.ModelProto, target: Path) -> None:
    """Write `model` with float16 weights and activations; inputs stay int64, vectors float32."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    # The fused nodes are no standard ones: their types cannot be inferred, and need not be.
    onnx.save(convert_float_to_float16(copied, keep_io_types=True, disable_shape_infer=True), target)
