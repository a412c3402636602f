"""The configuration: what passes, and the sentence and YAML for what does not."""

from __future__ import annotations

import contextlib
import copy
import random
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from snakemake.utils import update_config

from conftest import ROOT, configured
from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration.checking import checked, whole_schema
from matrix_entropy.configuration.entries import layers_of, panels_of
from matrix_entropy.configuration.kinds import KINDS

SCALES = {
    "full": configured(),
    "miniature": configured("miniature"),
}
ROOT_SCHEMA = whole_schema()

# One entry of every kind. The names are those of the schema's examples, so that any of them can be
# put in here.
BASE = yaml.safe_load("""
models:
  my_model: {path: /data/my_model, layers: 12, width: 768, parameters: 1.1e+8}
  gpt2_small: {hub: openai-community/gpt2, layers: 12, width: 768}
  gpt2_large:
    train: {architecture: gpt2, corpus: training_stories, heads: 4}
    layers: 8
    width: 128
  pythia_70m: {path: /data/pythia_70m, layers: 6, width: 512, parameters: 7.0e+7, extract: [final]}
  pythia_1b: {hub: EleutherAI/pythia-1b, layers: 16, width: 2048, parameters: 1.0e+9}
  learner: {hub: org/learner, revisions: [step0, step10, step100, step400], layers: 12, width: 768}
  my_llama: {hub: meta-llama/Llama-2-7b-chat-hf, layers: 32, width: 4096}
  packaged:
    package:
      name: llm-small
      version: 0.1.2
      file: llm_small/m.Q4_1.gguf
      sha256: "0000000000000000000000000000000000000000000000000000000000000000"
    layers: 30
    width: 576
  my_llava:
    hub: llava-hf/llava-1.5-7b-hf
    parameters: 7.06e+9
    vision:
      {encoder: CLIP ViT-L, layers: 24, width: 1024, image_size: 336, patch: 14, image_tokens: 576}
    connector: MLP
    language_model: Vicuna-v1.5
    layers: 32
    width: 4096
  my_minigpt:
    minigpt_v2: {checkpoint: c.pth, vision_encoder: e.pth, language_model: my_llama}
    parameters: 7.75e+9
    vision:
      {encoder: ViT-g, layers: 39, width: 1408, image_size: 448, patch: 14, image_tokens: 256}
    connector: linear
    language_model: Llama-2-chat
    layers: 32
    width: 4096
  small_llava:
    train: {architecture: llava, corpus: drawn_pictures, heads: 4}
    vision: {encoder: ViT, layers: 2, width: 48, image_size: 56, patch: 14, image_tokens: 16}
    connector: MLP
    language_model: small Llama
    layers: 4
    width: 64
  smollm2: {path: /data/smollm2, layers: 30, width: 576, parameters: 1.35e+8}
datasets:
  my_texts:
    path: /data/my_texts.jsonl
    field: text
    sample: {first: 10}
    measures: [curvature]
    metrics: [participation_ratio]
  drawn: {path: /data/my_texts.csv, sample: {size: 10}}
  child: {bundled: data/stories/child.json}
  world:
    url: https://example.org/world.json
    sha256: 470f3b7b2bfc3e20f7865e7f3a90b2463dffe7d989a76b072358fca3875580e2
  training_stories: {generate: {grammar: stories, count: 100}}
  written: {generate: {model: gpt2_large, template: "Once", count: 2}}
  dolly_15k: {hub: databricks/databricks-dolly-15k, split: train, field: context}
  first_texts: {path: /data/first.txt}
  second_texts: {path: /data/second.txt, controls: [without_long_rows]}
  pair: {union: [first_texts, second_texts], controls: []}
  joined: {union: [first_texts, dolly_15k], controls: []}
  varied: {variants: {of: my_texts, changes: {as is: {}, reversed: {sentences: reversed}}}}
  prompted:
    variants:
      of: my_texts
      changes: {none: {}, prompt: {prefix: Listen.}, sea: {like: prompt, text: The tide.}}
  long: {path: /data/long.txt, min_tokens: 513, max_tokens: 512, lengths: [32, 128, 512]}
  spoken: {sentences: {contexts: {none: "", king: He is the king of}, words: [Cuba., Spain.]}}
  lands:
    sentences:
      contexts: {none: "", king: He is the king of}
      words: [Cuba., Spain., Chad., Mali., Peru., Iran., Iraq., Oman.]
  manual: {python_documentation: {shortest: 200, longest: 900}, sample: {first: 40}}
  drawn_pictures: {generate: {grammar: llava_instruct, count: 100}, record: llava_instruct}
  photographs:
    hub: liuhaotian/LLaVA-Instruct-150K
    files: [detail_23k.json]
    record: llava_instruct
    images: coco/train2017
  zipped:
    zip:
      url: https://example.org/captions.zip
      md5: d5fa38be915c8a2aee7ebf3a9c56a95c
      records: captions/records.json
      images: captions/image
    record: cc_sbu_align
  in_pairs:
    path: /data/pairs.json
    panels: {Long: [good, bad]}
    controls: [without_long_rows, equal_length, equal_length_without_long_rows]
  captions: {path: /data/filter_cap.json, record: cc_sbu_align, images: /data/image}
figures:
  my_figure: {model: my_model, dataset: my_texts}
  sizes: {kind: scaling, models: [pythia_70m, pythia_1b], dataset: pair}
  divided: {kind: normalisations, models: [pythia_70m, pythia_1b], dataset: pair}
  lengths: {kind: context_length, models: [pythia_70m], dataset: long}
  few: {kind: few_rows, models: [pythia_70m], dataset: long, seeds: [3]}
  vectors: {kind: many_texts, models: [gpt2_large], dataset: my_texts}
  orders: {kind: operations, models: [pythia_70m], dataset: varied}
  fresh: {kind: untrained, models: [pythia_70m], dataset: joined, group: dolly_15k, seeds: [1]}
  starts:
    kind: start_of_weights
    model: smollm2
    dataset: manual
    seeds: [1, 2]
    initializer_ranges: [0.01, own]
  learning:
    {kind: trajectory, models: [learner], dataset: my_texts, steps: [0, 10, 100, 400]}
  gains:
    kind: information_gain
    models: [pythia_70m, pythia_1b]
    dataset: joined
    group: dolly_15k
    information_gain: {tokens: 64}
  map: {kind: sentence_map, model: pythia_70m, dataset: lands, sentence_map: {measures: [log_det]}}
  published: {kind: published_entropy, published_entropy: {epsilon: 0.1}}
  graph: {kind: skill_graph, skill_graph: {skills: 100, texts: 400}}
  theory: {kind: skill_scaling, skill_scaling: {alphas: [0.5], skills: [100000]}}
  places: {kind: schematic, models: [my_llava, my_minigpt]}
  divided_by_width: {kind: log_d_null}
  by_length: {kind: length_control, models: [my_model], datasets: [my_texts]}
  first: {kind: first_token, models: [my_model], datasets: [my_texts]}
  weights: {kind: untrained_blocks, models: [my_model], dataset: my_texts, seeds: [1]}
  long_rows: {kind: long_rows, model: my_model, dataset: second_texts, seeds: [1]}
tables:
  my_table: {paper: wei2024, kind: indicators, models: [pythia_70m, pythia_1b], dataset: drawn}
  tuned: {kind: lora, models: [pythia_70m], dataset: joined, lora: {targets: [c_attn]}}
  changes: {kind: variants, models: [pythia_70m], dataset: varied}
  samples: {kind: samples, models: [pythia_70m], dataset: pair}
  prompts: {kind: prompts, dataset: prompted}
  sources: {kind: sources, datasets: [my_texts]}
  picks:
    kind: token_selection
    model: pythia_70m
    dataset: spoken
    token_selection: {tokens: [Cuba]}
  gaps: {kind: group_gaps, models: [my_model], datasets: [in_pairs]}
  seen:
    {paper: wei2024, kind: multimodal, models: [my_llava, my_minigpt],
     datasets: [photographs, captions]}
  turned: {kind: image_operations, model: small_llava, dataset: drawn_pictures}
  parts: {kind: architecture, models: [my_llava, my_minigpt]}
""")

# Where in BASE the keys of the schema's definitions are tried out; others where "" says.
PLACES = {
    "model": {
        "": "models.my_model",
        "hub": "models.gpt2_small",
        "revision": "models.gpt2_small",
        "revisions": "models.gpt2_small",
        "convert_weights": "models.gpt2_small",
        "gated": "models.gpt2_small",
        "train": "models.gpt2_large",
        "minigpt_v2": "models.my_minigpt",
        "gguf": "models.gpt2_small",
        "package": "models.packaged",
        **dict.fromkeys(["vision", "connector", "language_model"], "models.my_llava"),
    },
    "train": {"": "models.gpt2_large.train"},
    "minigpt_v2": {"": "models.my_minigpt.minigpt_v2"},
    "package": {"": "models.packaged.package"},
    "vision": {"": "models.my_llava.vision"},
    "dataset": {
        "": "datasets.my_texts",
        "bundled": "datasets.child",
        "url": "datasets.world",
        "sha256": "datasets.world",
        "generate": "datasets.training_stories",
        **dict.fromkeys(["hub", "revision", "subset", "split", "files"], "datasets.dolly_15k"),
        "task": "datasets.dolly_15k",
        "paired": "datasets.in_pairs",
        "union": "datasets.pair",
        "variants": "datasets.varied",
        "shards": "datasets.pair",
        "sentences": "datasets.spoken",
        "python_documentation": "datasets.manual",
        **dict.fromkeys(["images", "missing_images", "fetch_from"], "datasets.captions"),
        **dict.fromkeys(["instruction_seed", "images_url"], "datasets.captions"),
        **dict.fromkeys(["zip", "md5"], "datasets.zipped"),
    },
    "zip": {"": "datasets.zipped.zip"},
    "generate": {
        "": "datasets.written.generate",
        "grammar": "datasets.training_stories.generate",
        "image_size": "datasets.drawn_pictures.generate",
    },
    "variants": {"": "datasets.varied.variants"},
    "change": {
        "": "datasets.varied.variants.changes.reversed",
        "prefix": "datasets.prompted.variants.changes.prompt",
        **dict.fromkeys(["like", "text"], "datasets.prompted.variants.changes.sea"),
    },
    "sentences": {"": "datasets.spoken.sentences"},
    "python_documentation": {"": "datasets.manual.python_documentation"},
    "figure": {
        "": "figures.my_figure",
        "models": "figures.sizes",
        "leave_out": "figures.sizes",
        "datasets": "figures.by_length",
        "group": "figures.fresh",
        "seeds": "figures.fresh",
        "steps": "figures.learning",
        "initializer_ranges": "figures.starts",
        "information_gain": "figures.gains",
        "sentence_map": "figures.map",
        "published_entropy": "figures.published",
        "skill_graph": "figures.graph",
        "skill_scaling": "figures.theory",
    },
    "information_gain": {"": "figures.gains.information_gain"},
    "sentence_map": {"": "figures.map.sentence_map"},
    "published_entropy": {"": "figures.published.published_entropy"},
    "skill_graph": {"": "figures.graph.skill_graph"},
    "skill_scaling": {"": "figures.theory.skill_scaling"},
    "table": {
        "": "tables.my_table",
        "datasets": "tables.sources",
        "lora": "tables.tuned",
        "model": "tables.picks",
        "token_selection": "tables.picks",
    },
    "lora": {"": "tables.tuned.lora"},
    "token_selection": {"": "tables.picks.token_selection"},
}
SAMPLE = {
    "": "datasets.drawn.sample",
    "first": "datasets.my_texts.sample",
}
REMOVED = object()


def with_values(config: dict[str, Any], values: dict[Any, Any]) -> dict[str, Any]:
    """A copy with values put at dotted paths, or taken away there."""
    config = copy.deepcopy(config)
    for path, value in values.items():
        *parts, last = path.split(".") if isinstance(path, str) else path
        entry = config
        for part in parts:
            entry = entry.setdefault(part, {})
        if value is REMOVED:
            del entry[last]
        else:
            entry[last] = copy.deepcopy(value)
    return config


def changed(values: dict[Any, Any]) -> dict[str, Any]:
    """BASE with other values."""
    return with_values(BASE, values)


def at(config: Any, path: str) -> Any:
    """The value at a dotted path, also through lists."""
    for part in path.split("."):
        config = config[int(part) if isinstance(config, list) else part]
    return config


def refusal(config: dict[str, Any]) -> tuple[str, Any]:
    """What is said of a configuration: the sentence, and the YAML shown below it, if any."""
    before = copy.deepcopy(config)
    with pytest.raises(InputError) as raised:
        checked(config)
    assert config == before
    said, found, shown = str(raised.value).partition(" Write for example:\n")
    assert said.startswith("configuration: ")
    assert "\n" not in said
    assert said.endswith((".", "?", ")"))
    assert not said.endswith("..")
    if not found:
        return said, None
    assert all(line.startswith("    ") for line in shown.splitlines())
    return said, yaml.safe_load(textwrap.dedent(shown))


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, or the definition that it refers to."""
    return ROOT_SCHEMA["$defs"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema


def typed_keys() -> Iterator[tuple[str, dict[str, Any]]]:
    """Dotted path in BASE and schema of every key that the schema has."""
    for key, schema in ROOT_SCHEMA["properties"].items():
        yield key, resolved(schema)
    for name, places in PLACES.items():
        for key, schema in ROOT_SCHEMA["$defs"][name]["properties"].items():
            yield f"{places.get(key, places[''])}.{key}", resolved(schema)
    sample = ROOT_SCHEMA["$defs"]["dataset"]["properties"]["sample"]
    for key, schema in sample["properties"].items():
        yield f"{SAMPLE.get(key, SAMPLE[''])}.{key}", schema


def subschemas(schema: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema within a schema, the values of examples and defaults left out."""
    if isinstance(schema, dict):
        yield where or ".", schema
        for key, inner in schema.items():
            if key not in ("examples", "default", "enum", "const"):
                yield from subschemas(inner, f"{where}/{key}")
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from subschemas(inner, f"{where}/{number}")


KEYS = dict(typed_keys())
SUBSCHEMAS = dict(subschemas(ROOT_SCHEMA))
DEFAULTS = {
    name: {
        key: schema["default"]
        for key, schema in definition.get("properties", {}).items()
        if "default" in schema
    }
    for name, definition in ROOT_SCHEMA["$defs"].items()
}

# ---------------------------------------------------------------------------------------------
# What passes


@pytest.mark.parametrize("scale", SCALES)
def test_our_configurations_pass(scale):
    """Both files are right, and checking again changes nothing more."""
    once = checked(SCALES[scale])
    assert once["figures"]
    assert checked(once) == once


# What a figure, table, model or data set is, whatever it is drawn from.
SAME = {
    "models": ["title", "family", "size", "bos", "center_features", "extract", "connector"],
    "datasets": [
        *(
            "union",
            "variants",
            "sentences",
            "record",
            "field",
            "fields",
            "separator",
            "group_field",
            "groups",
            "panels",
        ),
        *("published", "token_losses", "window_perplexity", "controls"),
    ],
}


@pytest.mark.parametrize("section", SAME)
def test_both_scales_hold_the_same(section):
    """What is there at full size has its stand-in, of the same kind, in the same order."""
    full, miniature = (
        {
            name: {key: entry.get(key) for key in SAME[section]}
            for name, entry in SCALES[scale][section].items()
        }
        for scale in ("full", "miniature")
    )
    # Only miniature trains its models, so only there are texts to train on; only at full size is
    # one made out of another.
    corpora = {model["train"]["corpus"] for model in SCALES["miniature"]["models"].values()}
    parts = {
        model["minigpt_v2"]["language_model"]
        for model in SCALES["full"]["models"].values()
        if "minigpt_v2" in model
    }
    full = {name: entry for name, entry in full.items() if name not in parts}
    assert list(full) == [name for name in miniature if name in full or name not in corpora]
    assert full == {name: miniature[name] for name in full}


@pytest.mark.parametrize("scale", SCALES)
def test_bundled_files_are_there(scale):
    """What is said to be in this repository is in it."""
    for dataset in SCALES[scale]["datasets"].values():
        assert "bundled" not in dataset or (ROOT / dataset["bundled"]).is_file()


def test_miniature_needs_no_network():
    """Stand-ins are trained, texts bundled, written or made of these; nothing has an address."""
    config = SCALES["miniature"]
    assert all(model.keys() & {"train", "path"} for model in config["models"].values())
    sources = {"bundled", "generate", "path", "union", "variants", "sentences"}
    assert all(dataset.keys() & sources for dataset in config["datasets"].values())
    assert not re.search(r"\b(hub|url)\b|://", repr([config["models"], config["datasets"]]))


def test_base_passes():
    """What the tests below start from is right."""
    assert checked(BASE)


def test_four_lines_of_a_user():
    """A model and texts of one's own, merged on config.yaml as Snakemake does it."""
    config = copy.deepcopy(SCALES["full"])
    mine = yaml.safe_load(
        "models:\n"
        "  stories260k: {path: ../models/stories260K, layers: 5, width: 64}\n"
        "datasets:\n"
        "  tinystories: {path: ../data/tinystories.jsonl, field: text}\n"
    )
    update_config(config, mine)
    result = checked(config)
    assert result["models"]["stories260k"] == {
        **DEFAULTS["model"],
        "path": "../models/stories260K",
        "layers": 5,
        "width": 64,
    }
    assert result["datasets"]["tinystories"] == {
        **DEFAULTS["dataset"],
        "path": "../data/tinystories.jsonl",
        "field": "text",
    }
    assert set(result["models"]) == {*SCALES["full"]["models"], "stories260k"}


def test_families_of_today_are_asked_beside_the_papers():
    """config/today.yaml on config.yaml: new names only, and no commit that nobody has looked up."""
    today = yaml.safe_load((ROOT / "config/today.yaml").read_text(encoding="utf-8"))
    config = copy.deepcopy(SCALES["full"])
    for section in ("models", "figures"):
        assert not config[section].keys() & today[section].keys()
    update_config(config, today)
    found = checked(config)
    assert {found["models"][name]["revision"] for name in today["models"]} == {"main"}
    shown = {model for figure in today["figures"].values() for model in figure["models"]}
    assert shown == today["models"].keys()
    assert len({found["models"][name]["family"] for name in shown}) == 3


def test_base_has_every_kind():
    """Whatever kind a figure or table can be of is tried below."""
    entries = [*checked(BASE)["figures"].values(), *checked(BASE)["tables"].values()]
    assert [entry["kind"] for entry in entries] == list(KINDS)
    figures, tables = (SUBSCHEMAS[f"/$defs/{of}/properties/kind"] for of in ("figure", "table"))
    assert [*figures["enum"], *tables["enum"]] == list(KINDS)


def test_figures_and_tables_may_be_left_out():
    """A configuration of models and texts alone, whose layers can be drawn."""
    config = checked(changed({"figures": REMOVED, "tables": REMOVED}))
    assert config["figures"] == config["tables"] == {}


DEFAULT_KEYS = [
    path
    for path, schema in KEYS.items()
    if "default" in schema and path not in ("figures", "tables")
]


@pytest.mark.parametrize("path", DEFAULT_KEYS)
def test_defaults(path):
    """What is left out is filled in."""
    assert at(checked(BASE), path) == KEYS[path]["default"]


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("hidden_states", "keep"),
        ("models.my_model.bos", True),
        ("models.gpt2_small.extract", [0]),
        ("models.gpt2_large.train.learning_rate", 1),
        ("datasets.child.field", "story"),
        ("datasets.child.controls", []),
        ("datasets.drawn.sample.seed", 0),
        ("datasets.written.generate.temperature", 1.5),
        ("datasets.varied.variants.changes.reversed.seed", 0),
        ("tables.my_table.perplexity", False),
        ("tables.tuned.lora.seed", 0),
    ],
)
def test_given_values_stay(path, given):
    """A default is only for what is left out, not for what is zero or empty."""
    assert at(checked(changed({path: given})), path) == given


def test_seed_of_the_paper():
    """Without a seed, samples are drawn as in the paper."""
    assert at(checked(BASE), "datasets.drawn.sample.seed") == 123


def test_defaults_leave_the_given_configuration_alone():
    """Checking gives a new configuration."""
    config = copy.deepcopy(BASE)
    checked(config)["models"]["my_model"]["layers"] = 1
    assert config == BASE


def test_defaults_are_copies():
    """Who changes a list in one configuration changes it in no other."""
    checked(BASE)["datasets"]["child"]["controls"].clear()
    assert checked(BASE)["datasets"]["child"]["controls"] == DEFAULTS["dataset"]["controls"]


@pytest.mark.parametrize(
    ("extract", "expected"), [("all", [0, 1, 2, 3, "final"]), ([0, 2, "final"], [0, 2, "final"])]
)
def test_layers_of(extract, expected):
    """All layers are the embeddings, the blocks and the last normalisation."""
    values = {"models.my_model.layers": 3, "models.my_model.extract": extract}
    assert layers_of(checked(changed(values))["models"]["my_model"]) == expected


def test_panels_of():
    """Without panels all groups are in one without a name."""
    assert panels_of({}, ["a", "b"]) == {"": ["a", "b"]}
    assert panels_of({"panels": {"Long": ["b"]}}, ["a", "b"]) == {"Long": ["b"]}


# ---------------------------------------------------------------------------------------------
# The schema


def test_schema_is_one():
    """The schema is right by the rules of its own."""
    Draft202012Validator.check_schema(ROOT_SCHEMA)


def test_every_key_says_what_it_is():
    """Messages and the site's reference of the configuration take it from there."""
    for where, schema in SUBSCHEMAS.items():
        for key, inner in schema.get("properties", {}).items():
            assert "description" in resolved(inner), f"{where}: {key}"


@pytest.mark.parametrize(
    "where",
    [where for where, schema in SUBSCHEMAS.items() if {"examples", "default"} & set(schema)],
)
def test_examples_and_defaults_are_valid(where):
    """What is shown or filled in has to be allowed at that place."""
    schema = SUBSCHEMAS[where]
    validator = Draft202012Validator({"$defs": ROOT_SCHEMA["$defs"], **schema})
    values = list(schema.get("examples", []))
    values += [schema["default"]] if "default" in schema else []
    for value in values:
        validator.validate(value)


def test_examples_of_the_sections_fit_together():
    """The examples shown for an empty file make a configuration."""
    sections = ["models", "datasets", "figures", "tables"]
    config = {name: ROOT_SCHEMA["properties"][name]["examples"][0] for name in sections}
    checked(
        with_values(
            config,
            {"models.my_model.parameters": KEYS["models.my_model.parameters"]["examples"][0]},
        )
    )


# ---------------------------------------------------------------------------------------------
# What does not pass

UNKNOWN = {
    "modles": "models",
    "hidden_state": "hidden_states",
    "models.my_model.layer": "layers",
    "models.gpt2_small.convert_weight": "convert_weights",
    "models.gpt2_large.train.corpu": "corpus",
    "datasets.my_texts.grops": "groups",
    "datasets.my_texts.group_filed": "group_field",
    "datasets.drawn.sample.siez": "size",
    "datasets.written.generate.tempretaure": "temperature",
    "figures.my_figure.modle": "model",
    "figures.sizes.leaveout": "leave_out",
    "tables.my_table.perplexitty": "perplexity",
    "tables.tuned.lora.learning-rate": "learning_rate",
    "datasets.varied.variants.change": "changes",
    "datasets.prompted.variants.changes.prompt.prefx": "prefix",
    "datasets.pair.uniom": "union",
    "models.my_llava.visoin": "vision",
    "models.my_llava.vision.patches": "patch",
    "datasets.captions.missing_image": "missing_images",
}


@pytest.mark.parametrize("instead", [False, True], ids=["more", "instead"])
@pytest.mark.parametrize(("path", "near"), UNKNOWN.items(), ids=UNKNOWN)
def test_unknown_key(path, near, instead):
    """The key is named where it stands, the near one suggested, and its YAML shown."""
    *entry, _ = path.split(".")
    right = ".".join([*entry, near])
    config = changed({path: 1})
    if instead:
        (at(config, ".".join(entry)) if entry else config).pop(near, None)
    said, shown = refusal(config)
    assert f"'{path}'" in said
    assert f"'{near}'" in said
    assert at(shown, right) == KEYS[right]["examples"][0]


@pytest.mark.parametrize("path", KEYS)
def test_every_key_misspelt(path):
    """Wherever a key can stand, one almost like it is refused and the right one shown."""
    said, shown = refusal(changed({f"{path}x": 1}))
    assert f"'{path}x'" in said
    assert f"'{path.split('.')[-1]}'" in said
    assert at(shown, path) == KEYS[path]["examples"][0]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("zzz", ["hidden_states", "models", "datasets", "figures", "tables"]),
        ("models.my_model.zzz", ["hub", "path", "train", "layers", "extract"]),
        ("models.gpt2_large.train.zzz", ["architecture", "corpus", "heads"]),
        ("datasets.my_texts.zzz", ["bundled", "url", "path", "generate", "controls"]),
        ("datasets.drawn.sample.zzz", ["first", "size", "seed"]),
        ("datasets.written.generate.zzz", ["grammar", "model", "count"]),
        ("datasets.varied.variants.zzz", ["of", "changes"]),
        ("datasets.varied.variants.changes.reversed.zzz", ["sentences", "unit", "seed", "prefix"]),
        ("figures.my_figure.zzz", ["paper", "title", "model", "dataset", "leave_out", "seeds"]),
        ("tables.my_table.zzz", ["kind", "models", "datasets", "perplexity", "lora"]),
        ("models.my_llava.vision.zzz", ["encoder", "layers", "width", "image_tokens"]),
        ("models.my_minigpt.minigpt_v2.zzz", ["checkpoint", "vision_encoder", "language_model"]),
        ("tables.tuned.lora.zzz", ["rank", "alpha", "targets", "max_tokens"]),
    ],
)
def test_unknown_key_like_no_other(path, known):
    """With nothing near, the keys that there are."""
    said, _ = refusal(changed({path: 1}))
    assert f"'{path}'" in said
    for key in known:
        assert re.search(rf"\b{key}\b", said)


def test_unknown_key_that_is_no_text():
    """A number for a key is named like any other."""
    said, _ = refusal(changed({("models", "my_model", 12): 1}))
    assert "'models.my_model.12'" in said


@pytest.mark.parametrize("path", KEYS)
def test_wrong_type(path):
    """Key, value and what is expected are named; what is shown can stand in its place."""
    kinds = [KEYS[path], *KEYS[path].get("anyOf", [])]
    wrong = 7 if any(kind.get("type") == "string" for kind in kinds) else "wrong"
    said, shown = refusal(changed({path: wrong}))
    assert f"'{path}'" in said
    assert repr(wrong) in said
    example = at(shown, path)
    assert example == KEYS[path]["examples"][0]
    # To the entries of two others refer; of what kind a figure is decides on all its keys.
    if path not in ("models", "datasets", "papers", "figures.my_figure.kind"):
        checked(changed({path: example}))


@pytest.mark.parametrize("path", KEYS)
def test_nothing_given(path):
    """A key without a value is told like a wrong value."""
    said, shown = refusal(changed({path: None}))
    assert f"'{path}'" in said
    assert at(shown, path) == KEYS[path]["examples"][0]


@pytest.mark.parametrize(
    ("path", "wrong", "named", "expected"),
    [
        ("datasets.my_texts.groups.good", 3, 3, "text"),
        ("datasets.my_texts.panels.Long", "good", "good", "list"),
        ("datasets.my_texts.panels.Long", [1], 1, "text"),
        (
            "datasets.my_texts.controls",
            ["x"],
            "x",
            "without_first_row, equal_length, without_long_rows, equal_length_without_long_rows",
        ),
        ("datasets.written.generate.groups.good", "dull", "dull", "mapping"),
        ("datasets.written.generate.groups.good", {"quality": 5}, 5, "text"),
        ("datasets.written.generate.subjects", [5], 5, "text"),
        ("models.my_model", "gpt2", "gpt2", "mapping"),
        ("models.my_model", None, None, "mapping"),
        ("datasets.my_texts", "/data/x.json", "/data/x.json", "mapping"),
        ("figures.my_figure", ["my_model"], ["my_model"], "mapping"),
        ("figures.sizes.models", [1], 1, "text"),
        ("figures.sizes.models", "my_model", "my_model", "list"),
        ("figures.sizes.leave_out", [None], None, "text"),
        ("figures.fresh.seeds", [0.5], 0.5, "whole number"),
        ("figures.fresh.seeds", [-1], -1, "at least 0"),
        ("tables.my_table", "my_model", "my_model", "mapping"),
        ("tables.sources.datasets", [True], True, "text"),
        ("tables.tuned.lora.targets", [3], 3, "text"),
        ("datasets.pair.union", [2024], 2024, "text"),
        ("datasets.long.lengths", [1, 32], 1, "at least 2"),
        ("datasets.long.lengths", ["all"], "all", "whole number"),
        ("datasets.dolly_15k.files", [1], 1, "text"),
        ("datasets.my_texts.fields", [1], 1, "text"),
        ("datasets.varied.variants.changes.reversed", "reversed", "reversed", "mapping"),
        ("datasets.varied.variants.changes", ["reversed"], ["reversed"], "mapping"),
    ],
)
def test_wrong_type_within(path, wrong, named, expected):
    """Entries and members of lists and mappings are named, and YAML for them is shown too."""
    said, shown = refusal(changed({path: wrong}))
    assert f"'{path}" in said
    assert f"is {named!r}" in said
    assert expected in said
    assert shown is not None
    assert list(shown) == path.split(".")[:1]


BEYOND = {"minimum": -1, "exclusiveMinimum": -0.5, "maximum": 0.5}


@pytest.mark.parametrize(
    ("path", "wrong", "limit"),
    [
        (path, schema[limit] + (1 if limit == "maximum" else step), limit)
        for path, schema in KEYS.items()
        for limit, step in BEYOND.items()
        if limit in schema
    ],
)
def test_number_out_of_range(path, wrong, limit):
    """The sentence says the limit that the number breaks, not only that it is not allowed."""
    said, shown = refusal(changed({path: wrong}))
    assert f"'{path}' is {wrong!r}" in said
    numbers = re.findall(r"-?\d+(?:\.\d+)?", said.replace(path, "", 1))
    assert str(KEYS[path][limit]) in numbers
    checked(changed({path: at(shown, path)}))


@pytest.mark.parametrize(
    "path",
    [
        "models.my_model.layers",
        "models.my_model.width",
        "models.gpt2_large.train.steps",
        "models.gpt2_large.train.heads",
        "datasets.my_texts.sample.first",
        "datasets.drawn.sample.size",
    ],
)
def test_whole_numbers_with_a_point(path):
    """12.0 is refused or becomes 12: nothing may count layers or texts with a float."""
    try:
        value = at(checked(changed({path: 8.0})), path)
    except InputError:
        return
    assert isinstance(value, int)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("models.gpt2_small.hub", "open ai/gpt2"),
        ("models.gpt2_small.hub", "a/b/c"),
        ("models.gpt2_small.hub", "../gpt2"),
        ("models.gpt2_small.revision", "main; ls"),
        ("models.my_model.path", ""),
        ("models.gpt2_small.gguf", "../m.gguf"),
        ("models.gpt2_small.gguf", "/etc/m.gguf"),
        ("models.gpt2_small.gguf", "*.gguf"),
        ("models.gpt2_small.gguf", "m.bin"),
        ("models.packaged.package.name", "--index-url=http://evil"),
        ("models.packaged.package.version", "0.1 --pre"),
        ("models.packaged.package.file", "a/../../m.gguf"),
        ("models.packaged.package.sha256", "abc"),
        ("models.my_model.extract", []),
        ("models.my_model.extract", [0, 0]),
        ("models.my_model.extract", [-1]),
        ("models.my_model.extract", ["last"]),
        ("models.my_model.dtype", "float64"),
        ("datasets.world.sha256", "abc"),
        ("datasets.world.url", "example.org/x.json"),
        ("datasets.world.url", "ftp://example.org/x.json"),
        ("datasets.child.bundled", "/etc/passwd"),
        ("datasets.child.bundled", "stories/child.json"),
        ("datasets.my_texts.format", "docx"),
        ("datasets.my_texts.groups", {}),
        ("datasets.my_texts.field", ""),
        ("datasets.my_texts.controls", ["equal_length", "equal_length"]),
        ("figures.sizes.kind", "bars"),
        ("figures.sizes.models", []),
        ("figures.sizes.models", ["pythia_1b", "pythia_1b"]),
        ("figures.fresh.seeds", []),
        ("figures.fresh.seeds", [1, 1]),
        ("tables.my_table.kind", "scaling"),
        ("tables.sources.datasets", []),
        ("tables.tuned.lora.targets", []),
        ("datasets.dolly_15k.hub", "a/b/c"),
        ("datasets.dolly_15k.revision", "main; ls"),
        ("datasets.dolly_15k.files", []),
        ("datasets.dolly_15k.task", "piqa,winogrande"),
        ("datasets.my_texts.record", "boolq"),
        ("datasets.my_texts.fields", []),
        ("datasets.pair.union", []),
        ("datasets.pair.union", ["first_texts", "first_texts"]),
        ("datasets.long.lengths", []),
        ("datasets.long.lengths", [32, 32]),
        ("datasets.varied.variants.changes", {}),
        ("datasets.varied.variants.changes.reversed.sentences", "sorted"),
        ("datasets.varied.variants.changes.reversed.unit", "letter"),
        ("datasets.prompted.variants.changes.prompt.prefix", ""),
        ("models.my_minigpt.minigpt_v2.checkpoint", ""),
        ("datasets.captions.images", ""),
        ("datasets.captions.missing_images", "skip"),
        ("hidden_states", "delete"),
    ],
)
def test_value_not_allowed(path, wrong):
    """Key and value are named, and what is shown can stand in their place."""
    said, shown = refusal(changed({path: wrong}))
    assert f"'{path}' is {wrong!r}" in said
    checked(changed({path: at(shown, path)}))


MISSING = {
    "models": "models",
    "datasets": "datasets",
    "models.gpt2_small.layers": "models.gpt2_small",
    "models.packaged.width": "models.packaged",
    "models.gpt2_large.width": "models.gpt2_large",
    "models.gpt2_large.train.architecture": "models.gpt2_large.train",
    "models.gpt2_large.train.corpus": "models.gpt2_large.train",
    "models.gpt2_large.train.heads": "models.gpt2_large.train",
    "datasets.written.generate.count": "datasets.written.generate",
    "figures.my_figure.model": "figures.my_figure",
    "figures.my_figure.dataset": "figures.my_figure",
    "figures.sizes.dataset": "figures.sizes",
    "tables.my_table.kind": "tables.my_table",
    "tables.tuned.lora.targets": "tables.tuned.lora",
    "datasets.varied.variants.of": "datasets.varied.variants",
    "datasets.varied.variants.changes": "datasets.varied.variants",
    "models.my_llava.vision.patch": "models.my_llava.vision",
    "models.my_minigpt.minigpt_v2.vision_encoder": "models.my_minigpt.minigpt_v2",
    "models.packaged.package.sha256": "models.packaged.package",
}


@pytest.mark.parametrize(("path", "entry"), MISSING.items(), ids=MISSING)
def test_missing_key(path, entry):
    """The entry and the key that it lacks are named; the YAML shown has the key."""
    said, shown = refusal(changed({path: REMOVED}))
    assert f"'{path.split('.')[-1]}'" in said
    assert entry == path or f"'{entry}'" in said
    assert at(shown, path) is not None
    if entry != path:
        checked(changed({entry: at(shown, entry)}))


@pytest.mark.parametrize(
    ("entry", "kind", "key"),
    [
        (f"{section}.{name}", entry["kind"], key)
        for section in ("figures", "tables")
        for name, entry in checked(BASE)[section].items()
        for key in KINDS[entry["kind"]].needs
        if key not in SUBSCHEMAS[f"/$defs/{section[:-1]}"].get("required", [])
    ],
)
def test_missing_key_of_a_kind(entry, kind, key):
    """What only some kinds need is named with the kind, and an entry of this kind shown."""
    said, shown = refusal(changed({f"{entry}.{key}": REMOVED}))
    assert f"'{entry}' is of the kind '{kind}' and lacks the key '{key}'; add it." in said
    assert set(at(shown, entry)) == {"kind", *KINDS[kind].needs}
    assert at(shown, entry)["kind"] == kind
    Draft202012Validator(
        {**ROOT_SCHEMA["$defs"][entry.split("s.")[0]], "$defs": ROOT_SCHEMA["$defs"]}
    ).validate(at(shown, entry))


@pytest.mark.parametrize(
    ("entry", "key", "users"),
    [
        ("figures.my_figure", "models", "scaling, normalisations, context_length, few_rows"),
        ("figures.my_figure", "leave_out", "scaling"),
        ("figures.sizes", "metric", "layers"),
        ("figures.sizes", "model", "layers"),
        ("figures.sizes", "group", "untrained"),
        ("figures.sizes", "seeds", "untrained"),
        ("figures.divided", "leave_out", "scaling"),
        ("tables.my_table", "lora", "lora"),
        ("tables.my_table", "datasets", "sources"),
        ("tables.prompts", "models", "indicators, lora, variants, samples"),
        ("figures.places", "dataset", "layers, scaling, normalisations"),
        ("tables.turned", "models", "indicators, lora, variants, samples, group_gaps, multimodal"),
        ("tables.parts", "dataset", "token_selection, image_operations"),
        ("tables.prompts", "table", "indicators, lora, variants, samples"),
        ("tables.sources", "dataset", "indicators, lora, variants, samples, prompts"),
    ],
)
def test_key_that_a_kind_does_not_use(entry, key, users):
    """What would say nothing is refused, and the kinds that use it named."""
    value = ROOT_SCHEMA["$defs"][entry.split("s.")[0]]["properties"][key]
    kind = at(checked(BASE), f"{entry}.kind")
    said, _ = refusal(changed({f"{entry}.{key}": resolved(value)["examples"][0]}))
    assert f"'{entry}' has `{key}:`, which the kind '{kind}' does not use" in said
    assert said.endswith(f"{users}.") or f"{users}, " in said


def test_perplexity_false_says_something_in_one_kind_only():
    """What a default fills in is nothing that a user wrote; another value is."""
    assert checked(changed({"tables.samples.perplexity": True}))
    said, _ = refusal(changed({"tables.samples.perplexity": False}))
    assert "'tables.samples' has `perplexity:`" in said


def test_a_word_that_yaml_takes_for_a_truth_value():
    """`No` without quotes is False, which nobody means who writes a token."""
    tokens = yaml.safe_load("[No, China]")
    said, shown = refusal(changed({"tables.picks.token_selection.tokens": tokens}))
    assert "tokens.0' is False, but a text is expected" in said
    assert "put it in quotes" in said
    assert at(shown, "tables.picks.token_selection.tokens") == ["No"]


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
def test_a_number_is_finite(value):
    """YAML knows numbers with which nothing can be computed."""
    said, _ = refusal(changed({"figures.gains.information_gain.noise": yaml.safe_load(value)}))
    assert "'figures.gains.information_gain.noise' is " in said
    assert "a number is expected" in said


def test_empty_configuration():
    """An empty file is told what comes first."""
    said, _ = refusal({})
    assert "'models'" in said


BAD_NAMES = ["Upper", "two words", "../up", "$(x)", "it's", 'quo"te', "a;b", "a.b", "gpt-2", "a/b"]
BAD_NAMES += ["1st", "", "_a", "é", "line\n"]


@pytest.mark.parametrize(
    ("section", "name"),
    [
        *[("models", name) for name in BAD_NAMES],
        *[
            (section, name)
            for section in ("datasets", "figures", "tables")
            for name in ("../up", "$(x)")
        ],
    ],
)
def test_bad_name(section, name):
    """Names that would be trouble in paths and commands: which, where, and what is allowed."""
    entry = next(iter(BASE[section].values()))
    said, _ = refusal(changed({(section, name): entry}))
    assert repr(name) in said
    assert section in said
    assert "lower-case letters, digits and underscores" in said
    assert f"'{section}' is" not in said  # the section is right


@pytest.mark.parametrize(
    ("section", "name"),
    [("models", 2024), ("datasets", True), ("figures", 1.5), ("tables", 8), ("models", None)],
)
def test_name_that_is_no_text(section, name):
    """YAML reads some names as numbers; they are refused like other bad names."""
    entry = next(iter(BASE[section].values()))
    said, _ = refusal(changed({(section, name): entry}))
    assert repr(name) in said
    assert section in said
    assert "lower-case letters, digits and underscores" in said
    assert f"'{section}' is" not in said


# What each entry says fits the schema, but not the rest: values in BASE, what the sentence names.
CONTRADICTIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "model from two places": (
        {"models.my_model.hub": "a/b"},
        ["'models.my_model'", "hub and path", "hub, path, train"],
    ),
    "model from nowhere": (
        {"models.my_model.path": REMOVED},
        ["'models.my_model'", "hub, path, train"],
    ),
    "texts from two places": (
        {"datasets.child.path": "x.json"},
        ["'datasets.child'", "bundled and path", "path, hub, generate, union, variants"],
    ),
    "texts from nowhere": (
        {"datasets.child.bundled": REMOVED},
        ["'datasets.child'", "bundled, url, path, hub, generate, union, variants"],
    ),
    "texts from three places": (
        {"datasets.child.path": "x.json", "datasets.child.generate": {"count": 1}},
        ["'datasets.child'", "bundled", "path", "generate"],
    ),
    "two writers": (
        {"datasets.written.generate.grammar": "stories"},
        ["'datasets.written.generate'", "grammar and model", "grammar, model"],
    ),
    "no writer": (
        {"datasets.written.generate.model": REMOVED},
        ["'datasets.written.generate'", "grammar, model"],
    ),
    "writer without a prompt": (
        {"datasets.written.generate.template": REMOVED},
        ["'datasets.written.generate'", "`template:`"],
    ),
    "address without a hash": (
        {"datasets.world.sha256": REMOVED},
        ["'datasets.world'", "`url:`", "`sha256:`"],
    ),
    "sample of two sizes": (
        {"datasets.drawn.sample.first": 5},
        ["'datasets.drawn'", "`sample:`", "`first:`", "`size:`"],
    ),
    "sample of no size": (
        {"datasets.drawn.sample": {"seed": 5}},
        ["'datasets.drawn'", "`sample:`", "`first:`", "`size:`"],
    ),
    "layer beyond the last": (
        {"models.my_model.extract": [0, 12, 13, "final"]},
        ["'models.my_model'", "layer 13", "12 layers"],
    ),
    "width that heads do not divide": (
        {"models.gpt2_large.width": 130},
        ["'models.gpt2_large'", "130", "4 heads"],
    ),
    "revision of a folder": (
        {"models.my_model.revision": "main"},
        ["'models.my_model'", "`revision:`", "`hub:`"],
    ),
    "revision of a stand-in": (
        {"models.gpt2_large.revision": "main"},
        ["'models.gpt2_large'", "`revision:`", "`hub:`"],
    ),
    "figure of no model": (
        {"figures.my_figure.model": "gpt2_smal"},
        ["'figures.my_figure.model'", "'gpt2_smal'", "my_model, gpt2_small, gpt2_large"],
    ),
    "figure of no texts": (
        {"figures.my_figure.dataset": "childs"},
        ["'figures.my_figure.dataset'", "'childs'", "my_texts, drawn, child, world"],
    ),
    "stand-in of no corpus": (
        {"models.gpt2_large.train.corpus": "stories"},
        ["'models.gpt2_large.train.corpus'", "'stories'", "training_stories"],
    ),
    "texts by no model": (
        {"datasets.written.generate.model": "gpt4"},
        ["'datasets.written.generate.model'", "'gpt4'", "my_model, gpt2_small, gpt2_large"],
    ),
    "convert_weights of a folder": (
        {"models.my_model.convert_weights": True},
        ["'models.my_model'", "`convert_weights:`", "`hub:`", "remove it"],
    ),
    "paragraphs of no length": (
        {"datasets.manual.python_documentation": {"shortest": 500, "longest": 400}},
        ["'datasets.manual.python_documentation'", "`shortest: 500`", "`longest: 400`", "lower"],
    ),
    "fresh weights of a GGUF file": (
        {"models.smollm2.path": "/data/smollm2.gguf"},
        ["'figures.starts'", "fresh weights of 'smollm2'", "GGUF", "`initializer_range:`"],
    ),
    "sizes of a single model": (
        {"figures.sizes.models": ["pythia_70m"]},
        ["'figures.sizes'", "`models:` names a single one", "`kind: normalisations`"],
    ),
    "seeds of a kind without fresh weights": (
        {"figures.lengths.seeds": [1]},
        ["'figures.lengths'", "`seeds:`", "information_gain, untrained_blocks"],
    ),
    "one start twice": (
        {"models.smollm2.initializer_range": 0.01},
        ["'figures.starts.initializer_ranges'", "'smollm2' twice", "`own`", "0.01", "remove one"],
    ),
    "start of weights of no blocks": (
        {"models.smollm2.extract": [0, "final"]},
        ["'figures.starts'", "needs the blocks of 'smollm2'", "`extract:`"],
    ),
    "starts on which member": (
        {"figures.starts.dataset": "joined"},
        ["'figures.starts'", "needs a `group:`", "first_texts, dolly_15k"],
    ),
    "two files of one model": (
        {"models.my_model.path": "/data/m.gguf", "models.my_model.gguf": "m.gguf"},
        ["'models.my_model'", "`gguf:` beside a `path:` that is a file"],
    ),
    "GGUF file of a package": (
        {"models.packaged.gguf": "m.gguf"},
        ["'models.packaged'", "`gguf:`, which goes only with `hub:` or `path:`", "remove it"],
    ),
    "pickle beside a GGUF file": (
        {"models.gpt2_small.gguf": "m.gguf", "models.gpt2_small.convert_weights": True},
        ["'models.gpt2_small'", "`convert_weights:`, which goes with no GGUF file"],
    ),
    "vision-language model out of a GGUF file": (
        {"models.my_llava.gguf": "m.gguf"},
        ["'models.my_llava'", "`vision:`, which goes with no GGUF file"],
    ),
    "start of the weights of a stand-in": (
        {"models.gpt2_large.initializer_range": 0.04},
        ["'models.gpt2_large'", "`initializer_range:`", "`path:` or `package:`", "remove it"],
    ),
    "training sequence longer than the context": (
        {"models.gpt2_large.train.context": 64},
        ["'models.gpt2_large.train'", "`block: 128`", "`context: 64`"],
    ),
    "union of no texts": (
        {"datasets.pair.union": ["first_texts", "childs"]},
        ["'datasets.pair.union'", "'childs'", "my_texts, drawn, child, world"],
    ),
    "variants of no texts": (
        {"datasets.varied.variants.of": "childs"},
        ["'datasets.varied.variants.of'", "'childs'", "my_texts, drawn, child, world"],
    ),
    "union of itself": (
        {"datasets.pair.union": ["pair"]},
        ["'datasets.pair'", "(pair -> pair)"],
    ),
    "union with itself as its second member": (
        {"datasets.pair.union": ["first_texts", "pair"]},
        ["'datasets.pair'", "(pair -> pair)"],
    ),
    "variants of themselves": (
        {"datasets.varied.variants.of": "varied"},
        ["'datasets.varied'", "(varied -> varied)"],
    ),
    "union of variants of itself": (
        {"datasets.pair.union": ["first_texts", "varied"], "datasets.varied.variants.of": "pair"},
        ["'datasets.pair'", "(pair -> varied -> pair)"],
    ),
    # Told of an entry of the circle, not of one that leads there.
    "a circle beside the way": (
        {
            "datasets.pair.union": ["joined"],
            "datasets.joined.union": ["varied"],
            "datasets.varied.variants.of": "joined",
        },
        ["'datasets.joined'", "(joined -> varied -> joined)"],
    ),
    "texts of a writer that learns from them": (
        {"models.gpt2_large.train.corpus": "written"},
        ["'datasets.written'", "(written -> what the model gpt2_large learns from -> written)"],
    ),
    "two changes in one variant": (
        {"datasets.varied.variants.changes.reversed.prefix": "Listen."},
        ["'datasets.varied.variants.changes.reversed'", "`sentences:` and `prefix:`"],
    ),
    "tokens in the place of no prefix": (
        {"datasets.prompted.variants.changes.none.like": "none"},
        ["'datasets.prompted.variants.changes.none'", "`like: none`", "with a `prefix:`"],
    ),
    "a text in no place": (
        {"datasets.prompted.variants.changes.none.text": "The tide."},
        ["'datasets.prompted.variants.changes.none'", "`text:`", "only with `like:`"],
    ),
    "unit of nothing": (
        {"datasets.varied.variants.changes.as is.unit": "word"},
        ["'datasets.varied.variants.changes.as is'", "`unit:`", "`sentences:`"],
    ),
    "seed of nothing": (
        {"datasets.prompted.variants.changes.prompt.seed": 1},
        ["'datasets.prompted.variants.changes.prompt'", "`seed:`", "`sentences:`"],
    ),
    "hub without a split": (
        {"datasets.dolly_15k.split": REMOVED},
        ["'datasets.dolly_15k'", "`hub:`", "`split: train`"],
    ),
    **{
        f"{key} of a file": (
            {f"datasets.my_texts.{key}": value},
            ["'datasets.my_texts'", f"`{key}:`", "only with `hub:`", "remove it"],
        )
        for key, value in {
            "revision": "main",
            "subset": "main",
            "split": "train",
            "files": ["a.parquet"],
        }.items()
    },
    **{
        f"{key} of a union": (
            {f"datasets.pair.{key}": value},
            ["'datasets.pair'", f"`{key}:`", "`path:`, `hub:`", "`grammar:`", "remove it"],
        )
        for key, value in {
            "field": "story",
            "fields": ["question", "answer"],
            "record": "piqa",
            "group_field": "label",
            "groups": {"good": "g"},
            "sample": {"first": 3},
            "skip_empty": True,
            "task": "piqa",
        }.items()
    },
    "sample of variants": (
        {"datasets.varied.sample": {"first": 3}},
        ["'datasets.varied'", "`sample:`", "`hub:`, `grammar:` or `python_documentation:`"],
    ),
    "sample of what a model writes": (
        {"datasets.written.sample": {"first": 3}},
        ["'datasets.written'", "`sample:`", "`hub:`, `grammar:` or `python_documentation:`"],
    ),
    "hash of a hub data set": (
        {"datasets.dolly_15k.sha256": "0" * 64},
        ["'datasets.dolly_15k'", "`sha256:`", "`bundled:`, `url:` or `path:`"],
    ),
    "format of generated texts": (
        {"datasets.training_stories.format": "csv"},
        ["'datasets.training_stories'", "`format:`", "`path:` or `hub:`"],
    ),
    "separator of one field": (
        {"datasets.my_texts.separator": " "},
        ["'datasets.my_texts'", "`separator:`", "`fields:`"],
    ),
    "template for a grammar": (
        {"datasets.training_stories.generate.template": "Once"},
        ["'datasets.training_stories.generate'", "`template:`", "`model:`"],
    ),
    "temperature of a grammar": (
        {"datasets.training_stories.generate.temperature": 1.0},
        ["'datasets.training_stories.generate'", "`temperature:`", "`model:`"],
    ),
    "field and fields": (
        {"datasets.my_texts.field": "story", "datasets.my_texts.fields": ["a", "b"]},
        ["'datasets.my_texts'", "`field:` and `fields:`"],
    ),
    "field and record": (
        {"datasets.dolly_15k.record": "piqa"},
        ["'datasets.dolly_15k'", "`field:` and `record:`"],
    ),
    "fields and record": (
        {"datasets.my_texts.record": "piqa", "datasets.my_texts.fields": ["a", "b"]},
        ["'datasets.my_texts'", "`fields:` and `record:`"],
    ),
    "task on an address": (
        {"datasets.world.task": "piqa"},
        ["'datasets.world'", "`task:`", "`path:`, `hub:` or `grammar:`"],
    ),
    "task with questions of its own": (
        {"datasets.my_texts.task": "piqa"},
        ["'datasets.my_texts'", "`task: piqa`", "miniature_openbookqa, miniature_piqa"],
    ),
    "perplexity without losses": (
        {"datasets.pair.window_perplexity": True, "datasets.pair.token_losses": False},
        ["'datasets.pair'", "`window_perplexity:`", "`token_losses: true`"],
    ),
    "shards of texts cut to equal length": (
        {"datasets.my_texts.shards": 2},
        ["'datasets.my_texts'", "`shards:`", "`equal_length`", "`controls: []`"],
    ),
    "shards of texts cut to equal length and then without long rows": (
        {
            "datasets.my_texts.shards": 2,
            "datasets.my_texts.controls": ["equal_length_without_long_rows"],
        },
        ["'datasets.my_texts'", "`equal_length_without_long_rows`", "`controls: []`"],
    ),
    "long rows without their control": (
        {"datasets.second_texts.controls": ["without_first_row"]},
        ["'figures.long_rows'", "`without_long_rows` of 'second_texts'", "`controls:`"],
    ),
    "long rows in shards": (
        {"datasets.second_texts.shards": 2},
        ["'figures.long_rows'", "all rows in one job", "'second_texts' has `shards:`"],
    ),
    "long rows of no block": (
        {"models.my_model.extract": [0, "final"], "figures.my_figure.model": "pythia_1b"}
        | {f"figures.{name}": REMOVED for name in ("by_length", "first", "weights")},
        ["'figures.long_rows'", "needs the blocks of 'my_model'", "`extract:`"],
    ),
    "a measure that is not there": (
        {"datasets.my_texts.measures": ["curvatur"]},
        ["'datasets.my_texts.measures'", "the measure 'curvatur'", "known: curvature, anisotropy"],
    ),
    "a metric that is not there": (
        {"datasets.my_texts.metrics": ["rank_me"]},
        ["'datasets.my_texts.metrics'", "the metric 'rank_me'", "known: rankme, participation"],
    ),
    "a metric of small eigenvalues in single precision": (
        {
            "datasets.my_texts.metrics": ["stable_rank", "rankme"],
            "datasets.my_texts.spectra_precision": "single",
        },
        [
            "'datasets.my_texts.metrics'",
            "`rankme`, which depends on small eigenvalues",
            "set `spectra_precision: double`, or remove it.",
        ],
    ),
    "a metric that is not measured": (
        {"figures.my_figure.metric": "norm_ratio"},
        [
            "'figures.my_figure'",
            "the metric 'norm_ratio'",
            "'my_texts'",
            "`metrics:` or `measures:`",
        ],
    ),
    "a metric of texts without measures": (
        {"figures.my_figure.metric": "curvature", "figures.my_figure.dataset": "child"},
        ["'figures.my_figure'", "the metric 'curvature'", "'child'"],
    ),
    "a published curve of entropies behind a metric": (
        {"figures.my_figure.metric": "curvature", "figures.my_figure.overlay": True},
        ["'figures.my_figure'", "`metric:` and `overlay:`", "remove one"],
    ),
    "lengths beyond the cut": (
        {"datasets.long.max_tokens": 511},
        ["'datasets.long'", "`lengths:` 512", "`max_tokens: 511`"],
    ),
    "two names for one group": (
        {"datasets.child.groups": {"good": "Good Stories", "fine": "Good Stories"}},
        ["'datasets.child'", "two names", "`groups:`"],
    ),
    "group that is a number": (
        {("datasets", "my_texts", "groups"): {2024: "new"}},
        ["'datasets.my_texts.groups.2024'", "2024", "quotes"],
    ),
    "panel that is a truth value": (
        {("datasets", "my_texts", "panels"): {True: ["a"]}},
        ["'datasets.my_texts.panels.True'", "True", "quotes"],
    ),
    "variant that is a truth value": (
        {("datasets", "varied", "variants", "changes", False): {}},
        ["'datasets.varied.variants.changes.False'", "False", "quotes"],
    ),
    "panel of no member": (
        {"datasets.pair.panels": {"Both": ["first_texts", "childs"]}},
        ["'datasets.pair'", "'childs'", "'Both'", "first_texts, second_texts"],
    ),
    "panel of no variant": (
        {"datasets.varied.panels": {"Both": ["as is", "shuffled"]}},
        ["'datasets.varied'", "'shuffled'", "as is, reversed"],
    ),
    "figure of several models, one of them none": (
        {"figures.sizes.models": ["pythia_1b", "pythia_2b"]},
        ["'figures.sizes.models'", "'pythia_2b'", "pythia_70m, pythia_1b"],
    ),
    "table of no model": (
        {"tables.my_table.models": ["pythia_2b"]},
        ["'tables.my_table.models'", "'pythia_2b'", "pythia_70m, pythia_1b"],
    ),
    "table of no texts": (
        {"tables.my_table.dataset": "childs"},
        ["'tables.my_table.dataset'", "'childs'", "my_texts, drawn"],
    ),
    "table of the sources of no texts": (
        {"tables.sources.datasets": ["my_texts", "childs"]},
        ["'tables.sources.datasets'", "'childs'", "my_texts, drawn"],
    ),
    "figure of blocks that are not extracted": (
        {"models.my_model.extract": [0, "final"]},
        ["'figures.my_figure'", "blocks of 'my_model'", "`extract:`"],
    ),
    "figure of a last layer that is not extracted": (
        {"models.pythia_1b.extract": [0, 16]},
        ["'figures.sizes'", "`final` of 'pythia_1b'", "`extract:`"],
    ),
    "figure of a model of unknown size": (
        {"models.pythia_1b.parameters": REMOVED},
        ["'figures.sizes'", "parameters of 'pythia_1b'", "`parameters: 70.0e+6`"],
    ),
    "leaving out what is not there": (
        {"figures.sizes.leave_out": ["my_model"]},
        ["'figures.sizes.leave_out'", "'my_model'", "known: pythia_70m, pythia_1b."],
    ),
    "leaving out everything": (
        {"figures.sizes.leave_out": ["pythia_70m", "pythia_1b"]},
        ["'figures.sizes.leave_out'", "all of its `models:`"],
    ),
    "lengths of texts that have none": (
        {"figures.lengths.dataset": "my_texts"},
        ["'figures.lengths'", "`lengths:`", "'my_texts'"],
    ),
    "lengths that some texts do not have": (
        {"datasets.long.min_tokens": 511},
        ["'figures.lengths'", "up to 512", "'long'", "`min_tokens: 512`"],
    ),
    "lengths that any text may lack": (
        {"datasets.long.min_tokens": REMOVED},
        ["'figures.lengths'", "up to 512", "'long'", "`min_tokens: 512`"],
    ),
    "lengths that a stand-in cannot read": (
        {
            "figures.lengths.models": ["gpt2_large"],
            "models.gpt2_large.train.context": 511,
        },
        ["'figures.lengths'", "512 tokens", "'gpt2_large'", "`context: 511`", "'long'"],
    ),
    "operations on texts without variants": (
        {"figures.orders.dataset": "my_texts"},
        ["'figures.orders'", "`variants:`", "'my_texts'"],
    ),
    "table of variants of texts without any": (
        {"tables.changes.dataset": "pair"},
        ["'tables.changes'", "`variants:`", "'pair'"],
    ),
    "prompts of texts without variants": (
        {"tables.prompts.dataset": "my_texts"},
        ["'tables.prompts'", "`variants:`", "'my_texts'"],
    ),
    "prompts of variants without prefixes": (
        {"tables.prompts.dataset": "varied"},
        ["'tables.prompts'", "`prefix:`", "'varied'"],
    ),
    "operations with nothing to compare": (
        {"datasets.varied.variants.changes": {"as is": {}}},
        ["'figures.orders'", "'varied'", "single"],
    ),
    "samples of one source": (
        {"tables.samples.dataset": "my_texts"},
        ["'tables.samples'", "`union:`", "'my_texts'"],
    ),
    "samples of which there is one": (
        {"datasets.drawn": {"union": ["first_texts"]}, "tables.samples.dataset": "drawn"},
        ["'tables.samples'", "`union:`", "'drawn'", "two"],
    ),
    "sizes on variants": (
        {"figures.sizes.dataset": "varied"},
        ["'figures.sizes'", "groups of 'varied'", "`union: [varied]`"],
    ),
    "sizes on texts of several groups": (
        {"datasets.drawn.groups": {"good": "g", "bad": "b"}},
        ["'tables.my_table'", "groups of 'drawn'", "`union: [drawn]`"],
    ),
    "sizes on texts of any groups": (
        {"datasets.drawn.group_field": "label"},
        ["'tables.my_table'", "groups of 'drawn'", "`union: [drawn]`"],
    ),
    "untrained models on which member": (
        {"figures.fresh.group": REMOVED},
        ["'figures.fresh'", "`group:`", "first_texts, dolly_15k"],
    ),
    "untrained models on no member": (
        {"figures.fresh.group": "my_texts"},
        ["'figures.fresh.group'", "'my_texts'", "known: first_texts, dolly_15k."],
    ),
    "group of what is no union": (
        {"figures.fresh.dataset": "dolly_15k"},
        ["'figures.fresh'", "`group:`", "'dolly_15k'", "`union:`"],
    ),
    "fine-tuning on a member that is not there": (
        {"datasets.joined.union": ["first_texts", "dolly_15k", "childs"]},
        ["'datasets.joined.union'", "'childs'"],
    ),
    "fine-tuning on a member of several groups": (
        {"datasets.first_texts.group_field": "label"},
        ["'tables.tuned'", "'first_texts'", "'joined'", "groups"],
    ),
    "fine-tuning on a member that is a union": (
        {"datasets.joined.union": ["pair", "dolly_15k"]},
        ["'tables.tuned'", "'pair'", "'joined'", "groups"],
    ),
    "fine-tuned models on texts cut elsewhere": (
        {"datasets.joined.max_tokens": 256, "datasets.dolly_15k.max_tokens": 256},
        ["'tables.tuned'", "'first_texts'", "'joined'", "`max_tokens:`"],
    ),
    "untrained models on other texts": (
        {"datasets.dolly_15k.min_tokens": 8},
        ["'figures.fresh'", "'dolly_15k'", "'joined'", "`min_tokens:`"],
    ),
    "revision of no step": (
        {"models.learner.revisions": ["step0", "main"]},
        ["'models.learner'", "main, which names no step"],
    ),
    "revisions of one step": (
        {"models.learner.revisions": ["step10", "stage1-step10"]},
        ["'models.learner'", "step10 and stage1-step10, both step 10"],
    ),
    "checkpoint that training does not reach": (
        {"models.gpt2_large.train.checkpoints": [0, 900]},
        ["'models.gpt2_large'", "after step 900", "`steps: 400`"],
    ),
    "step without a checkpoint": (
        {"figures.learning.steps": [0, 10, 20]},
        ["'figures.learning.steps'", "'learner' after step 20", "0, 10, 100, 400"],
    ),
    "trajectory of a model without checkpoints": (
        {"figures.learning.models": ["my_model"]},
        ["'figures.learning.steps'", "'my_model' after step 0", "checkpoints of none"],
    ),
    "few rows of texts that are shorter": (
        {"datasets.long.min_tokens": 100},
        ["`min_tokens: 512`", "'long'"],
    ),
    "model called as a checkpoint": (
        {"models.learner_step_10": {"path": "/data/m", "layers": 2, "width": 8}},
        ["'models.learner_step_10'", "name of a checkpoint of 'models.learner'"],
    ),
    "model called as an untrained one": (
        {"models.pythia_70m_untrained_1": {"path": "/data/m", "layers": 1, "width": 2}},
        ["'models.pythia_70m_untrained_1'", "'figures.fresh'", "change it"],
    ),
    "model called as a fine-tuned one": (
        {"models.pythia_70m_lora_dolly_15k": {"path": "/data/m", "layers": 1, "width": 2}},
        ["'models.pythia_70m_lora_dolly_15k'", "'tables.tuned'", "change it"],
    ),
    "two ways of fine-tuning one model": (
        {
            "tables.tuned_again": {
                "kind": "lora",
                "models": ["pythia_1b", "pythia_70m"],
                "dataset": "dolly_15k",
                "lora": {"targets": ["c_attn"], "rank": 4},
            }
        },
        ["'tables.tuned_again'", "'pythia_70m_lora_dolly_15k'", "'tables.tuned'", "alike"],
    ),
    "a country twice": (
        {"datasets.spoken.sentences.words": ["Cuba.", "Spain.", "Cuba. "]},
        ["'datasets.spoken.sentences'", "'Cuba.' twice", "remove one"],
    ),
    "a context twice": (
        {"datasets.spoken.sentences.contexts": {"one": "He is", "other": " He is"}},
        ["'datasets.spoken.sentences'", "'one' and 'other'", "remove one"],
    ),
    "a word of white space": (
        {"datasets.spoken.sentences.words": ["Cuba.", " "]},
        ["'datasets.spoken.sentences'", "white space alone", "remove it"],
    ),
    "a map of two sentences": (
        {"datasets.lands.sentences.words": ["Cuba."]},
        ["'figures.map.sentence_map'", "three sentences", "there are 2"],
    ),
    "as many neighbours as sentences": (
        {"figures.map.sentence_map.umap": {"neighbours": 16}},
        ["'figures.map.sentence_map'", "`neighbours: 16`", "16 sentences", "lower it to 15"],
    ),
    "a map of texts that are cut": (
        {"datasets.lands.max_tokens": 8},
        ["'figures.map'", "whole sentences", "'lands'", "`max_tokens:`"],
    ),
    "tokens of short texts left out": (
        {"datasets.spoken.min_tokens": 8},
        ["'tables.picks'", "'spoken'", "`min_tokens:`"],
    ),
    "a map of texts behind a prefix": (
        {"figures.map.dataset": "prompted"},
        ["'figures.map'", "`prefix:`", "'prompted'"],
    ),
    "a token of white space": (
        {"tables.picks.token_selection.tokens": ["Cuba", " "]},
        ["'tables.picks.token_selection'", "white space", "remove it"],
    ),
    "a token twice": (
        {"tables.picks.token_selection.tokens": ["Cuba", " Cuba"]},
        ["'tables.picks.token_selection'", "'Cuba' twice", "remove one"],
    ),
    "gaps that were not measured in every way": (
        {"datasets.in_pairs.controls": ["equal_length"]},
        [
            "'tables.gaps'",
            "'in_pairs'",
            "`without_long_rows`, `equal_length_without_long_rows`",
            "`controls:`",
        ],
    ),
    "pairs that a field names of texts that are no records": (
        {
            "datasets.in_pairs": {
                "python_documentation": {"shortest": 200, "longest": 900},
                "panels": {"Long": ["good", "bad"]},
                "paired": "pair",
                "controls": ["without_long_rows", "equal_length", "equal_length_without_long_rows"],
            }
        },
        ["'datasets.in_pairs'", "`paired:`", "no records", "set `paired: true`"],
    ),
    "pairs of which one may be left out": (
        {"datasets.in_pairs.paired": True, "datasets.in_pairs.min_tokens": 9},
        ["'datasets.in_pairs'", "`paired:`", "`min_tokens:`", "remove one"],
    ),
    "views that are pairs of texts in none": (
        {"datasets.my_texts.two_views": "pairs"},
        ["'datasets.my_texts'", "`two_views: pairs`", "no `paired:`", "`two_views: halves`"],
    ),
    "views that are pairs of three": (
        {
            "datasets.in_pairs.two_views": "pairs",
            "datasets.in_pairs.paired": True,
            "datasets.in_pairs.panels": {"Long": ["good", "bad", "dull"]},
        },
        ["'datasets.in_pairs'", "the panel 'Long' has 3 groups", "give each panel two"],
    ),
    "a panel of views that is called as a group": (
        {
            "datasets.in_pairs.two_views": "pairs",
            "datasets.in_pairs.paired": True,
            "datasets.in_pairs.panels": {"good": ["good", "bad"]},
        },
        [
            "'datasets.in_pairs'",
            "a panel 'good' that is called as a group",
            "change the panel's name",
        ],
    ),
    "gains of models of which one has another first token": (
        {"models.pythia_1b.bos": True},
        ["'figures.gains.information_gain'", "beginning-of-sequence", "`bos:`"],
    ),
    "a flop that ends within none": (
        {"figures.theory.skill_scaling.flop_step": 0.3},
        ["'figures.theory.skill_scaling'", "`flop_step: 0.3`", "`flop_step: 0.333333`"],
    ),
    "a figure called as a table that draws one": (
        {"figures.picks": BASE["figures"]["graph"]},
        ["'tables.picks'", "change one"],
    ),
    "sentences of nothing": (
        {"datasets.spoken.sentences.words": REMOVED},
        ["'datasets.spoken.sentences'", "empty context 'none'", "`words:`"],
    ),
    "a context whose name YAML takes for a truth value": (
        {("datasets", "spoken", "sentences", "contexts", False): "It is not"},
        ["'datasets.spoken.sentences.contexts.False'", "is False", "quotes"],
    ),
    "sentences in shards": (
        {"datasets.lands.shards": 2, "datasets.lands.controls": []},
        ["'figures.map'", "'lands'", "`shards:`"],
    ),
    "gains at a layer that is not kept": (
        {"figures.gains.information_gain.layer": 3},
        ["'figures.gains.information_gain'", "layer 3 of 'pythia_70m'", "`extract:`"],
    ),
    "a map of a layer that is not kept": (
        {"figures.map.sentence_map.layer": 5},
        ["'figures.map.sentence_map'", "layer 5 of 'pythia_70m'", "keeps final"],
    ),
    "gains of more tokens than are kept": (
        {"datasets.joined.max_tokens": 63, "datasets.first_texts.max_tokens": 63}
        | {"datasets.dolly_15k.max_tokens": 63},
        ["'figures.gains.information_gain'", "64 tokens", "`max_tokens: 63`"],
    ),
    "gains of more tokens than a stand-in reads": (
        {
            "figures.gains.models": ["gpt2_large"],
            "models.gpt2_large.train.context": 63,
            "models.gpt2_large.train.block": 63,
        },
        ["'figures.gains.information_gain'", "'gpt2_large'", "`context: 63`"],
    ),
    "gains on which member": (
        {"figures.gains.group": REMOVED},
        ["'figures.gains'", "`group:`", "first_texts, dolly_15k"],
    ),
    "a block that is not there": (
        {"tables.picks.token_selection.attention_block": 7},
        ["'tables.picks.token_selection'", "`attention_block: 7`", "only 6"],
    ),
    "skills that are harder once learned": (
        {"figures.theory.skill_scaling.entropy_low": 2},
        ["'figures.theory.skill_scaling'", "`entropy_high:`", "`entropy_low:`"],
    ),
    "figure called as one for the asking": (
        {"figures.layers_my_model_my_texts": {"model": "my_model", "dataset": "my_texts"}},
        ["'figures.layers_my_model_my_texts'", "change it"],
    ),
    "two pairs drawn under one name": (
        {
            "models.my": {"path": "x", "layers": 2, "width": 8},
            "datasets.model_my_texts": {"path": "x.txt"},
        },
        ["layers_my_model_my_texts", "'my_model'", "'datasets.model_my_texts'", "change one"],
    ),
}
# A sentence says what to do if it commands something or lists what there is.
ADVICE = re.compile(
    r"\b(add|change|choose|correct|give|lower|make|needs|put|raise|remove|set)\b|known: "
)


@pytest.mark.parametrize(("values", "parts"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradiction(values, parts):
    """The entry and both sides of the contradiction are named, and what to do."""
    said, _ = refusal(changed(values))
    for part in parts:
        assert part in said
    assert ADVICE.search(said)


@pytest.mark.parametrize(
    "path", ["models.my_model", "datasets.child", "datasets.training_stories.generate"]
)
def test_yaml_shown_for_an_entry_from_nowhere(path):
    """What is shown for an entry without a source is shown in its place and can stand there."""
    keys = {"path", "bundled", "grammar"} & set(at(BASE, path))
    _, shown = refusal(changed({f"{path}.{key}": REMOVED for key in keys}))
    checked(changed({path: at(shown, path)}))


def test_the_deepest_fault_is_told_first():
    """A wrong value within an entry comes before an unknown key at the top."""
    said, _ = refusal(changed({"zzz": 1, "models.gpt2_large.train.heads": "four"}))
    assert "'models.gpt2_large.train.heads' is 'four'" in said


@pytest.mark.parametrize("layers", [[0, 12, "final"], ["final"], [12]])
def test_last_layer_may_be_extracted(layers):
    """The limit itself is within it."""
    assert checked(changed({"models.gpt2_small.extract": layers}))


def test_a_group_in_two_panels_is_named():
    """Texts of a panel are cut to a length of their own, so a text can be in one only."""
    panels = {"A vs B": ["a", "b"], "A vs C": ["a", "c"]}
    with pytest.raises(InputError, match="'a' into the panels 'A vs B' and 'A vs C'"):
        checked(changed({"datasets.free": {"path": "x.csv", "panels": panels}}))


@pytest.mark.parametrize("entry", ["datasets.my_texts", "models.my_model"])
def test_braces_in_a_path_are_refused(entry):
    """Snakemake would take them for wildcards."""
    with pytest.raises(InputError, match=r"(?i)x\{y\}.*no braces"):
        checked(changed({f"{entry}.path": "data/x{y}"}))


@pytest.mark.parametrize(
    "values",
    [
        # The limits themselves are within them.
        {"datasets.long.min_tokens": 512},
        {"figures.lengths.models": ["gpt2_large"], "models.gpt2_large.train.context": 512},
        {"models.gpt2_large.train.context": 128},
        {"figures.sizes.leave_out": ["pythia_70m"]},
        # One group is no division, and a member of a union is one group.
        {"datasets.drawn.groups": {"good": "g"}, "datasets.drawn.group_field": "label"},
        {"datasets.second_texts.groups": {"good": "g", "bad": "b"}},
        {"datasets.pair.union": ["varied", "joined", "first_texts"]},
        # Alike on both sides of a comparison.
        {f"datasets.{name}.max_tokens": 256 for name in ("joined", "first_texts", "dolly_15k")},
        {"tables.tuned_again": {**BASE["tables"]["tuned"], "dataset": "dolly_15k"}},
        {"figures.fresh.dataset": "dolly_15k", "figures.fresh.group": REMOVED},
        {"figures.fresh_again": {**BASE["figures"]["fresh"], "seeds": [1, 2]}},
        # A model that no figure compares needs neither its size nor its last layer.
        {"models.gpt2_small.extract": [3]},
        {"models.my_model.parameters": REMOVED},
        {"datasets.my_texts.task": "miniature_piqa"},
        {"datasets.training_stories.task": "miniature_piqa"},
        {"datasets.my_texts.fields": ["question", "answer"], "datasets.my_texts.separator": " "},
        {"datasets.pair.panels": {"Both": ["first_texts", "second_texts"]}},
        {"datasets.joined.shards": 4},
        {"figures.gains.dataset": "dolly_15k", "figures.gains.group": REMOVED},
        {"figures.gains.information_gain.layer": 0, "models.pythia_70m.extract": [0, "final"]}
        | {"models.pythia_1b.extract": [0, "final"]},
        {"tables.picks.token_selection.attention_block": 6},
        {"datasets.spoken.sentences": {"contexts": {"one": "A text."}}},
        {
            "datasets.my_texts.shards": 4,
            "datasets.my_texts.controls": ["without_first_row", "without_long_rows"],
        },
    ],
    ids=lambda values: ", ".join(values),
)
def test_what_looks_like_a_contradiction_and_is_none(values):
    """Rules go no further than their reasons, and checking again changes nothing."""
    once = checked(changed(values))
    assert checked(once) == once


def test_keys_in_vain_are_checked_for_at_every_source():
    """A source without keys that say how to read it has been thought of."""
    sources = ROOT_SCHEMA["$defs"]["dataset"]["one_of_keys"]
    mine = {"path": "x.txt", "bundled": "data/x.txt", "hub": "a/b", "union": ["first_texts"]}
    mine |= {
        "url": "https://example.org/x",
        "variants": {"of": "first_texts", "changes": {"a": {}}},
    }
    mine |= {"generate": {"grammar": "stories", "count": 1}, "sentences": {"contexts": {"a": "b"}}}
    mine |= {"python_documentation": {}, "zip": BASE["datasets"]["zipped"]["zip"]}
    needed = {"url": {"sha256": "0" * 64}, "hub": {"split": "train"}}
    needed["zip"] = {"record": "cc_sbu_align"}
    assert set(mine) == set(sources)
    refused = set()
    for source in sources:
        entry = {source: mine[source], "skip_empty": True, **needed.get(source, {})}
        try:
            checked(changed({"datasets.free": entry}))
        except InputError as error:
            assert "`skip_empty:`" in str(error)  # noqa: PT017 (some pass)
            refused.add(source)
    assert refused == {"union", "variants", "sentences", "python_documentation"}


@pytest.mark.parametrize("seed", range(200))
def test_nothing_gets_through_as_a_traceback(seed):
    """Whatever keys come together, there is a sentence or a configuration, not a KeyError."""
    generator = random.Random(seed)
    names = [*BASE["models"], *BASE["datasets"], "unknown"]
    values: dict[Any, Any] = {}
    for path in generator.sample([path for path in KEYS if path.count(".") > 1], 3):
        section, name, *inner = path.split(".")
        other = ".".join([section, generator.choice([name, *BASE[section]]), *inner])
        if any(f"{other}.".startswith(f"{path}.") for path in values):
            continue  # what was put there has no such key
        example, named = KEYS[path]["examples"][0], generator.choice(names)
        values[other] = generator.choice([example, example, named, [named], None, {}, []])
    with contextlib.suppress(InputError):
        once = checked(changed(values))
        assert checked(once) == once


# ---------------------------------------------------------------------------------------------
# What no reader of YAML refuses


@pytest.mark.parametrize("path", ["figures.my_figure.model", "datasets.written.generate.model"])
def test_an_empty_name_is_a_name_that_is_not_there(path):
    """It is looked up like any other."""
    said, _ = refusal(changed({path: ""}))
    assert f"'{path}' names the model ''" in said


@pytest.mark.parametrize("path", ["models.my_model.path", "models.my_model.title"])
@pytest.mark.parametrize("text", ["a\0b", "half \ud83d"], ids=["NUL", "half a character"])
def test_characters_that_cannot_be_written(path, text):
    """Neither a path nor a name can have them."""
    said, _ = refusal(changed({path: text}))
    assert f"'{path}'" in said
    assert "NUL or half a character" in said


NUMBERS = [path for path, schema in KEYS.items() if schema.get("type") in ("integer", "number")]


@pytest.mark.parametrize("path", NUMBERS)
def test_numbers_beyond_reason(path):
    """A billion is refused, or checked like any other number; what no float holds is refused."""
    with contextlib.suppress(InputError):
        assert at(checked(changed({path: 10**9})), path) == 10**9
    said, _ = refusal(changed({path: 10**400}))
    assert f"'{path}' is a number of 401 digits" in said


def test_shards_that_nobody_could_plan():
    """A job for each would have to be planned."""
    said, _ = refusal(changed({"datasets.my_texts.shards": 100_000_000}))
    assert "'datasets.my_texts.shards' is 100000000, but a number of at most 1000" in said


def test_a_configuration_that_contains_itself():
    """As an alias can make it."""
    config = copy.deepcopy(BASE)
    config["datasets"]["my_texts"]["panels"] = config
    with pytest.raises(InputError, match="levels deep"):
        checked(config)
