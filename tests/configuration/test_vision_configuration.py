"""The configuration of vision-language models and of data sets about images."""

from __future__ import annotations

from typing import Any

import pytest
from test_configuration import ADVICE, BASE, REMOVED, ROOT_SCHEMA, at, changed, refusal

from matrix_entropy.configuration.checking import checked
from matrix_entropy.configuration.kinds import KINDS
from matrix_entropy.configuration.shared_checks import IMAGE_RECORDS
from matrix_entropy.configuration.vision_checks import JOINED, VISION_HEADS
from matrix_entropy.models.vision.eva_vit import HEADS
from matrix_entropy.models.vision.minigpt_v2 import MiniGPTv2Config

EITHER_RECORD = "`record: llava_instruct` or `record: cc_sbu_align`"
EITHER_GRAMMAR = "`grammar: llava_instruct` or `grammar: cc_sbu_align`"
SMALL_MINIGPT = {
    **BASE["models"]["small_llava"],
    "train": {"architecture": "minigpt_v2", "corpus": "drawn_pictures", "heads": 4},
    "vision": BASE["models"]["small_llava"]["vision"] | {"image_tokens": 4},
}

# Values in BASE, and what the sentence names.
MODELS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "stand-in that cannot see": (
        {"models.small_llava.vision": REMOVED},
        ["'models.small_llava' is a vision-language model without `vision:`; add it."],
    ),
    "MiniGPT-v2 that cannot see": (
        {"models.my_minigpt.vision": REMOVED},
        ["'models.my_minigpt' is a vision-language model without `vision:`; add it."],
    ),
    "connector without a name": (
        {"models.my_llava.connector": REMOVED},
        ["'models.my_llava'", "without `connector:`", "for example `connector: MLP`."],
    ),
    "language model without a name": (
        {"models.my_minigpt.language_model": REMOVED},
        ["'models.my_minigpt'", "without `language_model:`", "`language_model: Vicuna-v1.5`."],
    ),
    **{
        f"{key} of a language model": (
            {f"models.my_model.{key}": "Vicuna-v1.5"},
            ["'models.my_model'", f"`{key}:`", "only with `vision:`; remove it."],
        )
        for key in ("connector", "language_model")
    },
    **{
        f"{key} of a vision-language model": (
            {f"models.my_llava.{key}": value},
            ["'models.my_llava'", f"`{key}:`", "a vision-language model does not use; remove it."],
        )
        for key, value in {
            "extract": ["final"],
            "center_features": True,
            "convert_weights": True,
        }.items()
    },
    "revision of a MiniGPT-v2": (
        {"models.my_minigpt.revision": "main"},
        ["'models.my_minigpt'", "`revision:`", "only with `hub:`; remove it."],
    ),
    "MiniGPT-v2 from the hub": (
        {"models.my_minigpt.hub": "a/b"},
        ["'models.my_minigpt'", "has hub and minigpt_v2", "hub, path, train, minigpt_v2, package."],
    ),
    "MiniGPT-v2 of no language model": (
        {"models.my_minigpt.minigpt_v2.language_model": "vicuna"},
        ["'models.my_minigpt.minigpt_v2.language_model'", "model 'vicuna'", "gpt2_small, "],
    ),
    "MiniGPT-v2 of itself": (
        {"models.my_minigpt.minigpt_v2.language_model": "my_minigpt"},
        ["minigpt_v2.language_model' names 'my_minigpt'", "a `vision:` itself; choose a language"],
    ),
    "MiniGPT-v2 of a stand-in": (
        {"models.my_minigpt.minigpt_v2.language_model": "gpt2_large"},
        ["language_model' names 'gpt2_large'", "no Llama; choose a model with `hub:` or `path:`."],
    ),
    "MiniGPT-v2 of a shorter language model": (
        {"models.my_llama.layers": 31},
        ["'models.my_minigpt'", "`layers: 32`", "'my_llama' has 31; correct one of them."],
    ),
    "MiniGPT-v2 of a wider language model": (
        {"models.my_llama.width": 5120},
        ["'models.my_minigpt'", "`width: 4096`", "'my_llama' has 5120; correct one of them."],
    ),
    "MiniGPT-v2 of another vision encoder": (
        {"models.my_minigpt.vision.width": 1400},
        ["'models.my_minigpt.vision'", "`width: 1400`", "16 heads", "correct it."],
    ),
    "MiniGPT-v2 that joins no patches": (
        {"models.my_minigpt.vision.image_tokens": 1024},
        ["'models.my_minigpt.vision'", "`image_tokens: 1024`", "1024 patches", "makes 256;"],
    ),
    "MiniGPT-v2 with patches that remain": (
        {"models.my_minigpt.vision.image_size": 434},
        ["'models.my_minigpt.vision' cuts an image into 961 patches", "joining 4; change"],
    ),
    "MiniGPT-v2 with images smaller than a patch": (
        {"models.my_minigpt.vision.image_size": 13},
        ["'models.my_minigpt.vision' cuts an image into 0 patches", "`image_size:` or `patch:`."],
    ),
    "language model with eyes": (
        {"models.small_llava.train.architecture": "gpt2"},
        ["'models.small_llava.train'", "`architecture: gpt2`", "set it to llava or minigpt_v2, or"],
    ),
    "stand-in that learns from blocks": (
        {"models.small_llava.train.block": 64},
        ["'models.small_llava.train'", "`block:`", "from whole texts; remove it."],
    ),
    "stand-in that learns from nothing": (
        {"models.small_llava.train.corpus": "pictures"},
        ["'models.small_llava.train.corpus'", "the data set 'pictures'", "known: my_texts, "],
    ),
    "stand-in that learns from texts": (
        {"models.small_llava.train.corpus": "training_stories"},
        ["'models.small_llava.train.corpus'", "'training_stories'", f"by {EITHER_GRAMMAR}."],
    ),
    # There is no rule that looks through a folder of images for them.
    "stand-in that learns from photographs": (
        {"models.small_llava.train.corpus": "captions"},
        ["'models.small_llava.train.corpus'", "'captions', which draws no", EITHER_GRAMMAR],
    ),
    "stand-in that learns from a union": (
        {
            "datasets.more_pictures": {"union": ["drawn_pictures"]},
            "models.small_llava.train.corpus": "more_pictures",
        },
        ["'models.small_llava.train.corpus'", "'more_pictures', which draws no", EITHER_GRAMMAR],
    ),
    "stand-in that cannot tell a response": (
        {"datasets.drawn_pictures.separator": " "},
        [
            "'models.small_llava.train.corpus'",
            "'drawn_pictures'",
            "`separator:`",
            "remove it there",
        ],
    ),
    "width that heads do not divide": (
        {"models.small_llava.width": 66},
        ["'models.small_llava' has width 66", "4 heads do not divide; change one"],
    ),
    "width of an odd number for each head": (
        {"models.small_llava.width": 60},
        ["'models.small_llava' has width 60", "4 heads has 15, an odd number; change one"],
    ),
    "vision encoder's width that heads do not divide": (
        {"models.small_llava.vision.width": 50},
        ["'models.small_llava.vision' has width 50", "4 heads of `train:`", "change one of them."],
    ),
    "images that patches do not divide": (
        {"models.small_llava.vision.patch": 15},
        ["'models.small_llava.vision'", "56 pixels", "patches of 15", "change one of them."],
    ),
    "stand-in of LLaVA with fewer image tokens": (
        {"models.small_llava.vision.image_tokens": 4},
        ["'models.small_llava.vision'", "`image_tokens: 4`", "16 patches", "makes 16;"],
    ),
    "stand-in of MiniGPT-v2 with as many tokens as patches": (
        {"models.small_llava.train.architecture": "minigpt_v2"},
        ["'models.small_llava.vision'", "`image_tokens: 16`", "16 patches", "makes 4; correct"],
    ),
    "stand-in that reads no more than an image": (
        {"models.small_llava.train.context": 16},
        ["'models.small_llava.train'", "`context: 16`", "16 tokens of an image", "raise it."],
    ),
}
DATASETS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "pictures read as nothing": (
        {"datasets.drawn_pictures.record": REMOVED},
        ["'datasets.drawn_pictures'", "`grammar: llava_instruct`; set `record: llava_instruct`."],
    ),
    "pictures read as others": (
        {"datasets.drawn_pictures.record": "cc_sbu_align"},
        ["'datasets.drawn_pictures'", "`grammar: llava_instruct`; set `record: llava_instruct`."],
    ),
    "texts read as pictures": (
        {"datasets.free": {**BASE["datasets"]["training_stories"], "record": "llava_instruct"}},
        ["'datasets.free'", "`record: llava_instruct`", "by `grammar: llava_instruct`; set that"],
    ),
    "a model's texts read as pictures": (
        {"datasets.written.record": "llava_instruct"},
        ["'datasets.written'", "`record:`", "`path:`, `hub:` or `grammar:`; remove it."],
    ),
    "images beside texts": (
        {"datasets.my_texts.images": "coco"},
        ["'datasets.my_texts'", "`images:`", f"set {EITHER_RECORD}, or remove it."],
    ),
    "images beside questions": (
        {"datasets.my_texts.images": "coco", "datasets.my_texts.record": "piqa"},
        ["'datasets.my_texts'", "`images:`", f"set {EITHER_RECORD}, or remove it."],
    ),
    "images beside a union": (
        {"datasets.pair.images": "coco"},
        ["'datasets.pair'", "`images:`", "`path:`, `hub:` or `grammar:`; remove it."],
    ),
    "images beside pictures": (
        {"datasets.drawn_pictures.images": "coco"},
        ["'datasets.drawn_pictures'", "`images:`, but draws its own pictures; remove it."],
    ),
    "records without images": (
        {"datasets.captions.images": REMOVED},
        ["'datasets.captions'", "`record: cc_sbu_align` without `images:`; add it, the folder"],
    ),
    **{
        f"{key} without images": (
            {f"datasets.my_texts.{key}": value},
            ["'datasets.my_texts'", f"`{key}:`", "only with ", "`images:`; remove it."],
        )
        for key, value in {
            "missing_images": "leave_out",
            "fetch_from": "a friend",
            "images_url": "https://example.org",
        }.items()
    },
    "missing images among pictures": (
        {"datasets.drawn_pictures.missing_images": "leave_out"},
        ["'datasets.drawn_pictures'", "`missing_images:`", "or `images:`; remove it."],
    ),
    "zip without a hash": (
        {"datasets.zipped.zip.md5": REMOVED},
        ["'datasets.zipped'", "needs in `zip:` a hash", "`sha256:` or `md5:`."],
    ),
    "zip beside a folder": (
        {"datasets.zipped.images": "coco"},
        ["'datasets.zipped'", "`images:` beside `zip:`", "remove the former."],
    ),
    "zip of texts": (
        {"datasets.zipped.record": REMOVED},
        ["'datasets.zipped'", "`zip:`, but its records", f"set {EITHER_RECORD}, or remove it."],
    ),
    "seed of no instructions": (
        {"datasets.my_texts.instruction_seed": 1},
        ["'datasets.my_texts'", "`instruction_seed:`", "only with `record:`; remove it."],
    ),
    "seed of instructions that are there": (
        {"datasets.photographs.instruction_seed": 1},
        ["'datasets.photographs'", "`instruction_seed:`", "`record: llava_instruct`", "remove it."],
    ),
    "separator of a benchmark": (
        {"datasets.my_texts.record": "piqa", "datasets.my_texts.separator": " "},
        ["'datasets.my_texts'", "`separator:`", "`record: piqa` does not use; remove it."],
    ),
    "hub without a file": (
        {"datasets.photographs.files": REMOVED},
        ["'datasets.photographs'", "one file", "give its name, as in `files: [records.json]`."],
    ),
    "hub with two files": (
        {"datasets.photographs.files": ["a.json", "b.json"]},
        ["'datasets.photographs'", "one file", "give its name, as in `files: [records.json]`."],
    ),
    **{
        f"hub with the files {pattern}": (
            {"datasets.photographs.files": [pattern]},
            ["'datasets.photographs'", "one file", "give its name, as in `files: [records.json]`."],
        )
        for pattern in ("*.json", "detail_2?k.json", "detail_[0-9]k.json", "records/")
    },
    **{
        f"{key} of photographs": (
            {f"datasets.photographs.{key}": value},
            ["'datasets.photographs'", f"`{key}:`", "records about images do not use; remove it."],
        )
        for key, value in {
            "split": "train",
            "subset": "main",
            "format": "json",
            "group_field": "label",
            "groups": {"good": "g"},
            "panels": {"Both": ["good", "bad"]},
            "task": "piqa",
            "measures": ["curvature"],
            "metrics": ["rankme"],
            "spectra_precision": "single",
        }.items()
    },
    "photographs by their captions and a field": (
        {"datasets.captions.field": "caption"},
        ["'datasets.captions'", "`field:` and `record:`", "remove all but one."],
    ),
    "size of what is no picture": (
        {"datasets.training_stories.generate.image_size": 112},
        ["'datasets.training_stories.generate'", "`image_size:`", f"{EITHER_GRAMMAR}; remove it."],
    ),
    "size of what a model writes": (
        {"datasets.written.generate.image_size": 112},
        ["'datasets.written.generate'", "`image_size:`", f"{EITHER_GRAMMAR}; remove it."],
    ),
    "texts by a vision-language model": (
        {"datasets.written.generate.model": "my_llava"},
        ["'datasets.written.generate'", "'my_llava'", "choose one without `vision:`."],
    ),
}


def with_llava(models: str | list[str]) -> str | list[str]:
    """A vision-language model in place of a model, or of the last of several."""
    return "my_llava" if isinstance(models, str) else [*models[:-1], "my_llava"]


FIGURES: dict[str, tuple[dict[str, Any], list[str]]] = {
    **{
        f"{section}.{name} of a vision-language model": (
            {f"{section}.{name}.{key}": with_llava(entry[key])},
            [f"'{section}.{name}' shows language models, but 'my_llava' has a `vision:`"],
        )
        for section in ("figures", "tables")
        for name, entry in BASE[section].items()
        for key in ("model", "models")
        if key in entry and not KINDS[entry.get("kind", "layers")].of_vision
    },
    "figure of a vision-language model": (
        {"figures.my_figure.model": "my_llava"},
        ["'figures.my_figure' shows language models", "'my_llava'", "for such: schematic."],
    ),
    "table of a vision-language model": (
        {"tables.my_table.models": ["my_llava"]},
        [
            "'tables.my_table' shows language models",
            "'my_llava'",
            "for such: multimodal, image_operations, architecture.",
        ],
    ),
    **{
        f"{where} of a language model": (
            {f"{where}.{key}": value},
            [f"'{where}'", "'pythia_70m' has no `vision:`; add it to the model, or choose another"],
        )
        for where, key, value in (
            ("figures.places", "models", ["my_llava", "pythia_70m"]),
            ("tables.seen", "models", ["pythia_70m"]),
            ("tables.turned", "model", "pythia_70m"),
            ("tables.parts", "models", ["my_llava", "pythia_70m"]),
        )
    },
    "vision-language models on texts": (
        {"tables.seen.datasets": ["captions", "my_texts"]},
        ["'tables.seen'", "'my_texts' has none of its own", f"with {EITHER_RECORD}."],
    ),
    "turned texts": (
        {"tables.turned.dataset": "my_texts"},
        ["'tables.turned'", "'my_texts' has none of its own", f"with {EITHER_RECORD}."],
    ),
    "vision-language models on a union": (
        {"datasets.free": {"union": ["captions"]}, "tables.turned.dataset": "free"},
        ["'tables.turned'", "'free' has none of its own", f"with {EITHER_RECORD}."],
    ),
    "vision-language models on variants": (
        {"datasets.varied.variants.of": "captions", "tables.turned.dataset": "varied"},
        ["'tables.turned'", "'varied' has none of its own", f"with {EITHER_RECORD}."],
    ),
    "images in shards": (
        {"datasets.captions.shards": 2, "datasets.captions.controls": []},
        ["'tables.seen'", "'captions' has `shards:`; remove it there."],
    ),
    "images without the short texts": (
        {"datasets.captions.min_tokens": 8},
        ["'tables.seen'", "'captions' has `min_tokens:`; remove it there."],
    ),
    "images that are not there": (
        {"tables.seen.datasets": ["coco"]},
        ["'tables.seen.datasets'", "the data set 'coco'", "known: my_texts, "],
    ),
    "vision-language model of unknown size": (
        {"models.my_llava.parameters": REMOVED},
        ["'tables.seen'", "parameters of 'my_llava'", "`parameters: 70.0e+6`"],
    ),
    "published table that is not there": (
        {"tables.seen.table": "55"},
        ["'tables.seen.table' names the published table '55'", "known: 1, 2, 3, 5, 6, 7, 8, 9."],
    ),
    "table of indicators held against none": (
        {"tables.my_table.table": "10"},
        ["'tables.my_table.table' names the published table '10'", "known: 1, 2, "],
    ),
    "schematic of texts": (
        {"figures.places.dataset": "captions"},
        ["'figures.places' has `dataset:`", "kind 'schematic' does not use; remove it"],
    ),
    "several data sets turned": (
        {"tables.turned.datasets": ["captions"]},
        ["'tables.turned' has `datasets:`", "one that does: sources, group_gaps, multimodal."],
    ),
    "parts held against published ones": (
        {"tables.parts.table": "4"},
        ["'tables.parts' has `table:`", "kind 'architecture' does not use; remove it"],
    ),
}
CASES = MODELS | DATASETS | FIGURES


@pytest.mark.parametrize(("values", "parts"), CASES.values(), ids=CASES)
def test_contradiction(values, parts):
    """The entry and both sides of the contradiction are named, and what to do."""
    said, _ = refusal(changed(values))
    for part in parts:
        assert part in said
    assert ADVICE.search(said)


def test_no_two_cases_have_one_name():
    """A case that another one covers would never be tried."""
    assert len(CASES) == len(MODELS) + len(DATASETS) + len(FIGURES)


@pytest.mark.parametrize("name", ["small_llava", "my_minigpt"])
def test_yaml_shown_for_a_model_that_cannot_see(name):
    """What is shown can stand in its place, but for the numbers, which are the model's own."""
    _, shown = refusal(changed({f"models.{name}.vision": REMOVED}))
    found = at(shown, f"models.{name}.vision")
    assert found == ROOT_SCHEMA["$defs"]["vision"]["examples"][0]
    assert checked(changed({"models.my_llava.vision": found}))


@pytest.mark.parametrize(
    "path",
    [
        "datasets.captions.images",
        "models.my_minigpt.minigpt_v2.checkpoint",
        "models.my_minigpt.minigpt_v2.vision_encoder",
    ],
)
def test_braces_in_a_path_are_refused(path):
    """Snakemake would take them for wildcards."""
    said, _ = refusal(changed({path: "data/x{y}"}))
    assert f"'{path}' is 'data/x{{y}}'" in said
    assert "no braces" in said.lower()


@pytest.mark.parametrize("key", ROOT_SCHEMA["$defs"]["vision"]["required"][1:])
def test_sizes_are_not_zero(key):
    """Nothing can be divided by them."""
    said, _ = refusal(changed({f"models.my_llava.vision.{key}": 0}))
    assert f"'models.my_llava.vision.{key}' is 0, but a number of at least" in said


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ("models.my_llava.vision", "encoder"),
        ("models.my_minigpt.minigpt_v2", "checkpoint"),
        ("models.my_minigpt.minigpt_v2", "language_model"),
    ],
)
def test_missing_key(entry, key):
    """The entry and the key that it lacks are named; the YAML shown has the key."""
    said, shown = refusal(changed({f"{entry}.{key}": REMOVED}))
    assert f"'{entry}' lacks the key '{key}'" in said
    assert at(shown, f"{entry}.{key}")


def test_numbers_of_minigpt_v2_are_those_of_the_model():
    """Checking a configuration does without torch, so it has copies of its own."""
    assert MiniGPTv2Config.joined == JOINED
    assert VISION_HEADS == HEADS


def test_records_and_grammars_about_images_share_their_names():
    """Pictures are read as records of their grammar's name."""
    records = ROOT_SCHEMA["$defs"]["dataset"]["properties"]["record"]["enum"]
    grammars = ROOT_SCHEMA["$defs"]["generate"]["properties"]["grammar"]["enum"]
    assert set(IMAGE_RECORDS) <= set(records) & set(grammars)


@pytest.mark.parametrize(
    "values",
    [
        # The texts about images are texts, also for language models.
        {"tables.my_table.dataset": "captions"},
        {"figures.my_figure.dataset": "photographs"},
        {"tables.sources.datasets": ["my_texts", "captions", "drawn_pictures"]},
        {"models.gpt2_large.train.corpus": "drawn_pictures"},
        {"datasets.pair.union": ["captions", "first_texts"]},
        {"datasets.varied.variants.of": "captions"},
        {"datasets.captions.shards": 2, "datasets.captions.controls": []}
        | {"tables.seen.datasets": ["photographs"]},
        # What stands between instruction and response, where none learns from them.
        {"datasets.captions.separator": " "},
        {"datasets.captions.instruction_seed": 1},
        {"datasets.captions.sha256": "0" * 64},
        {"datasets.captions.missing_images": "leave_out", "datasets.captions.skip_empty": True},
        {"datasets.captions.max_tokens": 64},
        {"datasets.drawn_pictures.generate.image_size": 48},
        {"datasets.drawn_pictures.sample": {"first": 50}},
        # Only stand-ins are made here; what is on the hub is as it is.
        {"models.my_llava.vision.image_size": 384},
        {"models.my_llava.vision.image_tokens": 577},
        {"models.my_llava.bos": True, "models.my_llava.dtype": "float16"},
        # No block is read, so none can be too long.
        {"models.small_llava.train.context": 100},
        {"models.small_minigpt": SMALL_MINIGPT},
        {"models.small_llava.train.context": 17},
        # A vision-language model has no figure of its blocks, which could have this name.
        {"figures.layers_my_llava_captions": BASE["figures"]["graph"]},
        # What makes no table of numbers needs no size of a model.
        {"models.my_llava.parameters": REMOVED, "tables.seen.models": ["my_minigpt"]},
    ],
    ids=lambda values: ", ".join(values),
)
def test_what_looks_like_a_contradiction_and_is_none(values):
    """Rules go no further than their reasons, and checking again changes nothing."""
    once = checked(changed(values))
    assert checked(once) == once
