"""A hub and a server of this machine that have all that `config.yaml` names, small.

Repositories have the names, revisions and kinds of files of the real ones, the weights their names
and types, the data sets their columns and splits. Blocks, widths, tokens, texts and images are
few. What nobody is to fetch lies beside it, as it does there.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import torch
from transformers import LlamaConfig

import real_size_models
import real_size_tokenizers
import small_hub_texts
import small_minigpt_v2
from conftest import ROOT, SHARED
from file_server import FileServer
from hub_server import Files, Hub
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.models.vision.eva_vit import eva_vit
from matrix_entropy.texts.python_documentation import paragraphs
from matrix_entropy.texts.synthetic.pictures import picture_records
from real_size_models import Layout, cerebras, gpt2_config, write_model

Config = dict[str, Any]

NARROWER, SHALLOWER, HEADS = 16, 8, 2
FEWER = 1200  # texts of a sample
TOKENS = 2000
IMAGES, SIDE = 6, 300
STORED_SIDE = 16  # patches along the images that EVA-CLIP's ViT was trained on
UNWANTED = b"nobody is to fetch this"
# Other formats that lie beside the weights, but for pickles, which are wanted of some.
UNWANTED_FILES = ("flax_model.msgpack", "tf_model.h5", "onnx/decoder_model.onnx")
# The author's, or where they are not at hand this project's in the same structure.
STORIES = {
    "child": (SHARED / "stories/child_stories.json", ROOT / "data/stories/child.json"),
    "world": (SHARED / "stories/worlds_stories.json", ROOT / "data/stories/world.json"),
}
ENDS = {"vocab_size": TOKENS, "bos_token_id": TOKENS - 1, "eos_token_id": TOKENS - 1}
CLIP_SETTINGS = {
    "image_processor_type": "CLIPImageProcessor",
    "crop_size": {"height": 336, "width": 336},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "rescale_factor": 1 / 255,
    "size": {"shortest_edge": 336},
}


def smaller(config: Config) -> Config:
    """The configuration with few blocks, widths, texts and shards; all else as written."""
    config = copy.deepcopy(config)
    for model in config["models"].values():
        for part in (model, model.get("vision", {})):
            if "width" in part:
                narrow = part["width"] // NARROWER
                part["width"] = max(16, narrow - narrow % 16)
                part["layers"] = max(2, part["layers"] // SHALLOWER)
    for dataset in config["datasets"].values():
        if "size" in dataset.get("sample", {}):
            # Entries may share it.
            size = max(8, dataset["sample"]["size"] // FEWER)
            dataset["sample"] = dataset["sample"] | {"size": size}
        if dataset.get("shards", 1) > 2:  # where two are written it is seen how they come together
            dataset["shards"] = 1
    return config


def fill_hub(hub: Hub, config: Config, folder: Path) -> None:
    """Publish every model and data set of the hub that a smaller configuration names."""
    tokenizer = learnt()
    for name, model in config["models"].items():
        if "hub" not in model:
            continue
        layout = layout_of(name, model)
        files: Files = dict(write_model(layout, tokenizer, folder / name))
        beside = [*UNWANTED_FILES, *([] if layout.pickled else ["pytorch_model.bin"])]
        files |= dict.fromkeys(beside, UNWANTED)
        repository = hub.publish(f"models/{model['hub']}", files, model["revision"])
        repository.gated = model.get("gated", False)
    published = {"databricks/databricks-dolly-15k": small_hub_texts.dolly(2, 8, 20)}
    published |= small_hub_texts.benchmarks(12) | small_hub_texts.running_texts(41, 16)
    prompts = [*config["datasets"]["openorca"]["groups"].values()]
    published |= small_hub_texts.instructions(32, prompts)
    talks, _ = pictures("llava_instruct")
    published["liuhaotian/LLaVA-Instruct-150K"] = {
        "README.md": b"",
        "detail_23k.json": json.dumps(talks).encode(),
        "llava_instruct_150k.json": UNWANTED,
    }
    for dataset in config["datasets"].values():
        if "hub" in dataset:
            files = published[dataset["hub"]]
            hub.publish(f"datasets/{dataset['hub']}", files, dataset["revision"])


def learnt() -> dict[str, Any]:
    """A tokenizer of few tokens, from Python's documentation, as `tokenizers` writes it."""
    made = train_tokenizer(paragraphs(topics), TOKENS).backend_tokenizer
    found: dict[str, Any] = json.loads(made.to_str())
    return found


def fill_server(server: FileServer, config: Config) -> None:
    """Serve what has an address of its own, and write these and its hashes into the entries."""
    datasets = config["datasets"]
    for name, paths in STORIES.items():
        content = next(path for path in paths if path.is_file()).read_bytes()
        datasets[name] |= _served(server, f"{name}_stories.json", content, "sha256")
    _, images = pictures("llava_instruct")
    server.files |= {f"train2017/{name}": content for name, content in images.items()}
    datasets["detail_23k"]["images_url"] = f"{server.address}/train2017"
    captions, images = pictures("cc_sbu_align")
    told = json.dumps({"annotations": captions}).encode()
    packed = io.BytesIO()
    zipped = datasets["cc_sbu_align"]["zip"]
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipped["records"], told)
        for name, content in images.items():
            archive.writestr(f"{zipped['images']}/{name}", content)
    served = _served(server, "cc_sbu_align.zip", packed.getvalue(), "md5")
    zipped |= served | {"count": len(images)}
    datasets["cc_sbu_align"]["md5"] = hashlib.md5(told).hexdigest()
    minigpt_v2 = config["models"]["minigpt_v2_7b"]
    vision = eva_vit(
        *(minigpt_v2["vision"][key] for key in ("layers", "width", "image_size", "patch"))
    )
    weights = io.BytesIO()
    torch.save(small_minigpt_v2.eva_weights(vision.num_hidden_layers, STORED_SIDE, vision), weights)
    server.files["eva_vit_g.pth"] = weights.getvalue()
    minigpt_v2["minigpt_v2"]["vision_encoder"] = f"{server.address}/eva_vit_g.pth"


def write_checkpoint(config: Config, folder: Path) -> None:
    """What is fetched by hand: MiniGPT-v2's checkpoint, where the configuration wants it."""
    entry = config["models"]["minigpt_v2_7b"]
    language = LlamaConfig(**layout_of("llama_2_7b_chat", entry).config)
    trained = small_minigpt_v2.trained_weights("", entry["vision"]["width"], language)
    path = folder / entry["minigpt_v2"]["checkpoint"]
    path.parent.mkdir(parents=True)
    torch.save({"model": trained, "epoch": 49}, path)


def pictures(grammar: str) -> tuple[list[Any], dict[str, bytes]]:
    """Records of a data set about images, and its JPEG files by name."""
    records, images = [], {}
    for record, picture in picture_records(grammar, IMAGES, 1, SIDE):
        named: dict[str, Any] = record
        if "image" in named:
            named = named | {"image": Path(named["image"]).with_suffix(".jpg").name}
        written = io.BytesIO()
        picture.save(written, "JPEG")
        images[named.get("image") or f"{named['image_id']}.jpg"] = written.getvalue()
        records.append(named)
    return records, images


def _served(server: FileServer, name: str, content: bytes, kind: str) -> dict[str, str]:
    server.files[name] = content
    return {"url": f"{server.address}/{name}", kind: hashlib.new(kind, content).hexdigest()}


def layout_of(name: str, model: Config) -> Layout:
    """How the hub has a model of this name, in the sizes of its entry."""
    layers, width = model["layers"], model["width"]
    family = name.partition("_")[0]
    if family == "tinystories":
        neo = {
            "model_type": "gpt_neo",
            "architectures": ["GPTNeoForCausalLM"],
            "attention_types": [[["global", "local"], layers // 2]],
            "hidden_size": width,
            "num_layers": layers,
            "num_heads": HEADS,
            **ENDS,
        }
        tokens = real_size_tokenizers.gpt2
        return Layout(neo, torch.float32, tokens, mask=torch.bool, pickled=True)
    if family == "gpt2":
        config = gpt2_config(layers, width, HEADS, 1024) | ENDS
        config |= {"architectures": ["GPT2LMHeadModel"]}
        return replace(real_size_models.GPT2_LARGE, config=config)
    if family == "cerebras":
        files = {"shards": 2, "bare": True} if name == "cerebras_13b" else {}
        whole = cerebras(layers, width, HEADS, **files)
        return replace(whole, config=whole.config | ENDS)
    sizes = {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_attention_heads": HEADS,
    }
    if family == "pythia":
        # A few more than the tokenizer has, as there.
        config = real_size_models.PYTHIA_1_4B.config | sizes | {"vocab_size": TOKENS + 47}
        shards = {"pythia_6_9b": 2, "pythia_12b": 3}.get(name, 1)
        return replace(real_size_models.PYTHIA_1_4B, config=config, shards=shards)
    if family == "opt":
        config = real_size_models.OPT_1_3B.config | sizes
        config |= {"word_embed_proj_dim": width, "ffn_dim": 4 * width}
        return replace(real_size_models.OPT_1_3B, config=config)
    llama = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "vocab_size": real_size_tokenizers.LLAMA_TOKENS,
        **sizes,
    }
    if family == "llama":
        return Layout(llama, torch.float16, real_size_tokenizers.llama, shards=2)
    vision = model["vision"]
    seen = {
        "model_type": "clip_vision_model",
        "hidden_size": vision["width"],
        "intermediate_size": 4 * vision["width"],
        "num_hidden_layers": vision["layers"],
        "num_attention_heads": HEADS,
        "image_size": vision["image_size"],
        "patch_size": vision["patch"],
        "projection_dim": 768,
    }
    config = {
        "model_type": "llava",
        "architectures": ["LlavaForConditionalGeneration"],
        "image_token_index": real_size_tokenizers.LLAMA_TOKENS,
        "pad_token_id": real_size_tokenizers.LLAMA_TOKENS + 1,
        "projector_hidden_act": "gelu",
        "text_config": llama | {"vocab_size": real_size_tokenizers.LLAMA_TOKENS + 64},
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "vision_config": seen,
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
    }
    return Layout(config, torch.float16, _llava_files, shards=3)


def _llava_files(tokenizer: dict[str, Any]) -> dict[str, Any]:
    files = real_size_tokenizers.llama(tokenizer, "<image>", "<pad>")
    return files | {"preprocessor_config.json": CLIP_SETTINGS}
