"""Models whose weights are in a GGUF file: read once, dequantised, and kept as safetensors.

transformers reads the file, and leaves out tensors for which it has no place without a word; here
they stop the conversion, as do those that are missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel
from transformers.integrations.gguf import is_gguf_arch_supported
from transformers.integrations.gguf.gguf_conversion_mapping import GGUF_ARCHS
from transformers.modeling_gguf_pytorch_utils import (
    GGUF_SUPPORTED_ARCHITECTURES,
    TENSOR_PROCESSORS,
    TensorProcessor,
    get_gguf_hf_weights_map,
)
from transformers.utils.import_utils import is_gguf_available

from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.base.files import sha256, writing_folder
from matrix_entropy.models.gguf_settings import lost_settings
from matrix_entropy.models.gguf_tokenizers import check_way, cut_its_way
from matrix_entropy.models.loaded_weights import REPORTING, check_weights, first_names
from matrix_entropy.models.loading import load_tokenizer
from matrix_entropy.sources.gguf_files import Header, Tensor, local_gguf, read_header
from matrix_entropy.sources.hashes import stated
from matrix_entropy.sources.hub import snapshot
from matrix_entropy.sources.hub_models import needed_patterns
from matrix_entropy.sources.model_files import contents

Entry = dict[str, Any]

# Names that files use for what the reader calls otherwise.
SAME_ARCHITECTURE = {"qwen2moe", "qwen3moe", "gpt-oss", "minimax-m2", "t5encoder"}
# Types whose values are stored as they are.
WHOLE = ("F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64")
# Factors of rotary frequencies: the reader has no place for them, and ones change nothing.
ROTARY_FACTORS = "rope_freqs.weight"


def convert_gguf(name: str, model: dict[str, Any], downloaded: Path | None, folder: Path) -> Entry:
    """Record of a model out of a GGUF file; weights in float32 and tokenizer go to ``folder``.

    Parameters
    ----------
    name, model
        The model's entry in the configuration: `path:` or `hub:` with `gguf:`, or `package:`.
    downloaded : Path, optional
        The file that was taken out of the package.
    folder : Path
        Where to put config.json, model.safetensors and the tokenizer.

    Raises
    ------
    InputError
        If the file is not there, is damaged, is of an architecture that transformers does not read
        from GGUF, or if the file and the model differ by a tensor.
    """
    origin, path = _found(name, model, downloaded)
    if not path.is_file():
        raise InputError(f"model '{name}': there is no file {path.absolute()}; correct its entry.")
    header = _readable(name, path)
    with writing_folder(folder) as part:
        _convert(name, path, header, part)
        hashes = contents(part)
    return {
        "model": name,
        **origin,
        "folder": str(folder.absolute()),
        "stand_in": False,
        **hashes,
        "gguf": {
            "file": path.name if downloaded is None else Path(model["package"]["file"]).name,
            "sha256": sha256(path),
            "architecture": header.values["general.architecture"],
            "tensors": dict(
                Counter(type_name(tensor.type) for tensor in header.tensors).most_common()
            ),
            "weights": weights_phrase(header.tensors),
        },
    }


def _found(
    name: str, model: dict[str, Any], downloaded: Path | None
) -> tuple[dict[str, Any], Path]:
    """Where the model comes from, for its record, and its file on this machine."""
    if downloaded is not None:
        package = model["package"]
        called = f"{package['name']} {package['version']}"
        return {"source": "package", "id": called, "package": package}, downloaded
    if "hub" in model:
        revision = model.get("revision", "main")
        # What else there is has to be known only where the file is not.
        found = snapshot("model", name, model["hub"], revision, [model["gguf"]])
        if not (found / model["gguf"]).is_file():
            needed_patterns(name, model, stated(found))
        origin = {"source": "hub", "id": model["hub"], "revision": revision, "commit": found.name}
        return origin, found / model["gguf"]
    return {"source": "path", "id": str(local_gguf(model))}, local_gguf(model)


def _readable(name: str, path: Path) -> Header:
    """The header of a file that is whole and of an architecture that transformers reads."""
    if not is_gguf_available():
        raise InputError(
            f"model '{name}' is read with the package gguf, which is not installed or too old; run "
            "`pip install -r requirements.txt`."
        )
    try:
        header = read_header(path)
        end = max(header.start + tensor.offset + size_of(tensor) for tensor in header.tensors)
    except (InputError, ValueError) as error:
        raise InputError(f"model '{name}': {error}") from None
    if end > path.stat().st_size:
        raise InputError(
            f"model '{name}': {path} is cut off, it has {path.stat().st_size:,} bytes and its "
            f"tensors end at {end:,}; fetch it again."
        )
    parts = header.values.get("split.count", 1)
    if parts > 1:
        raise InputError(
            f"model '{name}': {path} is one of {parts} files; make one of them "
            "(`llama-gguf-split --merge`) and name that."
        )
    kind = header.values.get("general.architecture", "")
    known = sorted({*GGUF_SUPPORTED_ARCHITECTURES, *GGUF_ARCHS} - {"general", "tokenizer"})
    if kind not in SAME_ARCHITECTURE and kind not in known:
        raise InputError(
            f"model '{name}': {path} holds the architecture '{kind}', which transformers does not "
            f"read from GGUF; it reads {', '.join(known)}. Give a folder of the model with "
            "safetensors weights instead (`path:` or `hub:`)."
        )
    scaling = header.values.get(f"{kind}.rope.scaling.type", "none")
    if scaling != "none":
        raise InputError(
            f"model '{name}': {path} scales its rotary frequencies ({scaling}), which "
            "transformers leaves out where it reads GGUF; give a folder of the model with "
            "safetensors weights instead (`path:` or `hub:`)."
        )
    check_way(name, path, header.values)
    return header


def type_name(kind: int) -> str:
    """ggml's name of a type of tensors, such as Q4_1."""
    from gguf import GGMLQuantizationType

    return GGMLQuantizationType(kind).name


def size_of(tensor: Tensor) -> int:
    """Bytes of a tensor in the file."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    values, size = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.type)]
    return tensor.values // values * size


def weights_phrase(tensors: Iterable[Tensor]) -> str:
    """What titles say of weights, by the type of most quantised ones; nothing if there are none.

    Examples
    --------
    >>> weights_phrase([Tensor("a", (64, 64), 3, 0), Tensor("b", (64, 32), 8, 0)])
    '4-bit weights, dequantised'
    """
    counts: Counter[str] = Counter()
    for tensor in tensors:
        counts[type_name(tensor.type)] += tensor.values
    quantised = [(count, kind) for kind, count in counts.items() if kind not in WHOLE]
    if not quantised:
        return ""
    bits = re.search(r"\d+", max(quantised)[1])
    return f"{bits[0]}-bit weights, dequantised" if bits else "quantised weights, dequantised"


def _convert(name: str, path: Path, header: Header, part: Path) -> None:
    """Let transformers read the file, and save what it made of it."""
    with TemporaryDirectory() as alone:
        # Nothing else in the file's folder takes part: no adapter, no tokenizer, no other config.
        (Path(alone) / path.name).symlink_to(path.absolute())
        options = {"gguf_file": path.name, "local_files_only": True}
        try:
            with redirect_stderr(StringIO()):  # a bar for every tensor
                tokenizer = AutoTokenizer.from_pretrained(alone, trust_remote_code=False, **options)
                read: Any = AutoModelForCausalLM.from_pretrained(
                    alone,
                    trust_remote_code=False,
                    dtype=torch.float32,
                    quantization_config=GgufConfig(dequantize=True),
                    **REPORTING,
                    **options,
                )
        except Exception as error:  # whatever the reader found, the file is not usable
            raise InputError(
                f"model '{name}': transformers cannot read {path} ({first_line(error)})."
            ) from None
    model, report = read
    check_weights(f"model '{name}' ({path})", model, report)
    _check_places(name, path, header, model, report)
    if lost := lost_settings(header.values, model.config):
        raise InputError(
            f"model '{name}': {path} has settings that transformers leaves out where it reads GGUF "
            f"({'; '.join(lost)}), so that the numbers would be those of another model; give a "
            "folder of the model with safetensors weights instead (`path:` or `hub:`)."
        )
    model.save_pretrained(part)
    cut_its_way(tokenizer, header.values)
    tokenizer.save_pretrained(part)
    load_tokenizer({"model": name, "folder": str(part)})


def _check_places(
    name: str, path: Path, header: Header, model: PreTrainedModel, report: dict[str, Any]
) -> None:
    """See that the model has a place for every tensor of the file."""
    kind = header.values["general.architecture"]
    if is_gguf_arch_supported(kind):
        left_out = set(report["unexpected_keys"])
    else:  # an older way of reading, which does not say what it leaves out
        processor = TENSOR_PROCESSORS.get(kind, TensorProcessor)(config=model.config.to_dict())
        places = get_gguf_hf_weights_map(model, processor)
        left_out = {tensor.name for tensor in header.tensors} - set(places)
    if ROTARY_FACTORS in left_out and _only_ones(path):
        left_out.remove(ROTARY_FACTORS)
    if left_out:
        raise InputError(
            f"model '{name}': {path} has tensors for which transformers has no place in "
            f"{type(model).__name__} ({first_names(sorted(left_out))}), so that the numbers would "
            "be those of another model; give a folder of the model with safetensors weights "
            "instead (`path:` or `hub:`)."
        )


def _only_ones(path: Path) -> bool:
    from gguf import GGUFReader

    factors = next(one for one in GGUFReader(path).tensors if one.name == ROTARY_FACTORS)
    return bool((factors.data == 1).all())
