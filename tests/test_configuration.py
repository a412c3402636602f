"""The configuration: what passes, and the sentence and YAML for what does not."""

from __future__ import annotations

import copy
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from snakemake.utils import update_config

from matrix_entropy.configuration import SCHEMA, checked, layers_of, panels_of
from matrix_entropy.errors import InputError

ROOT = Path(__file__).parent.parent
SCALES = {
    "full": yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")),
    "miniature": yaml.safe_load((ROOT / "miniature" / "config.yaml").read_text(encoding="utf-8")),
}
ROOT_SCHEMA = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))

# One entry of every kind. The names are those of the schema's examples, so that any of them can be
# put in here.
BASE = yaml.safe_load("""
models:
  my_model: {path: /data/my_model, layers: 12, width: 768}
  gpt2_small: {hub: openai-community/gpt2, layers: 12, width: 768}
  gpt2_large:
    train: {architecture: gpt2, corpus: training_stories, heads: 4}
    layers: 8
    width: 128
datasets:
  my_texts: {path: /data/my_texts.jsonl, field: text, sample: {first: 10}}
  drawn: {path: /data/my_texts.csv, sample: {size: 10}}
  child: {bundled: data/stories/child.json}
  world:
    url: https://example.org/world.json
    sha256: 470f3b7b2bfc3e20f7865e7f3a90b2463dffe7d989a76b072358fca3875580e2
  training_stories: {generate: {grammar: stories, count: 100}}
  written: {generate: {model: gpt2_large, template: "Once", count: 2}}
figures:
  my_figure: {model: my_model, dataset: my_texts}
""")

# Where in BASE the keys of the schema's definitions are tried out; others where "" says.
PLACES = {
    "model": {
        "": "models.my_model",
        "hub": "models.gpt2_small",
        "revision": "models.gpt2_small",
        "convert_weights": "models.gpt2_small",
        "train": "models.gpt2_large",
    },
    "train": {"": "models.gpt2_large.train"},
    "dataset": {
        "": "datasets.my_texts",
        "bundled": "datasets.child",
        "url": "datasets.world",
        "sha256": "datasets.world",
        "generate": "datasets.training_stories",
    },
    "generate": {
        "": "datasets.written.generate",
        "grammar": "datasets.training_stories.generate",
    },
    "figure": {"": "figures.my_figure"},
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


def test_both_scales_hold_the_same_figures():
    """A figure at full size has its stand-in, for the same paper, in the same order."""
    full, miniature = (SCALES[scale]["figures"] for scale in ("full", "miniature"))
    assert list(full) == list(miniature)
    for key in ("paper", "model", "dataset"):
        assert [figure.get(key) for figure in full.values()] == [
            figure.get(key) for figure in miniature.values()
        ]


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_names_of_figures_exist_at_both_scales(kind):
    """Every model and data set of a figure at full size is there in miniature."""
    names = {figure[kind] for figure in SCALES["full"]["figures"].values()}
    assert names <= set(SCALES["full"][f"{kind}s"])
    assert names <= set(SCALES["miniature"][f"{kind}s"])


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_all_names_of_full_size_exist_in_miniature(kind):
    """Not only figures have their stand-ins."""
    assert set(SCALES["full"][kind]) <= set(SCALES["miniature"][kind])


@pytest.mark.parametrize("scale", SCALES)
def test_bundled_files_are_there(scale):
    """What is said to be in this repository is in it."""
    for dataset in SCALES[scale]["datasets"].values():
        assert "bundled" not in dataset or (ROOT / dataset["bundled"]).is_file()


def test_miniature_needs_no_network():
    """Stand-ins are trained, and their texts bundled or written."""
    assert all(model.keys() & {"train", "path"} for model in SCALES["miniature"]["models"].values())
    for dataset in SCALES["miniature"]["datasets"].values():
        assert dataset.keys() & {"bundled", "generate", "path"}


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


@pytest.mark.parametrize("path", [path for path, schema in KEYS.items() if "default" in schema])
def test_defaults(path):
    """What is left out is filled in."""
    assert at(checked(BASE), path) == KEYS[path]["default"]


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("hidden_states", "keep"),
        ("models.my_model.bos", True),
        ("models.my_model.extract", [0]),
        ("models.gpt2_large.train.learning_rate", 1),
        ("datasets.child.field", "story"),
        ("datasets.child.controls", []),
        ("datasets.drawn.sample.seed", 0),
        ("datasets.written.generate.temperature", 1.5),
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


@pytest.mark.parametrize("path", KEYS)
def test_every_key_has_an_example(path):
    """There is something to show wherever a value can be wrong."""
    assert KEYS[path].get("examples")


def test_examples_of_the_sections_fit_together():
    """The three examples shown for an empty file make a configuration."""
    sections = ["models", "datasets", "figures"]
    checked({name: ROOT_SCHEMA["properties"][name]["examples"][0] for name in sections})


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


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("zzz", ["hidden_states", "models", "datasets", "figures"]),
        ("models.my_model.zzz", ["hub", "path", "train", "layers", "extract"]),
        ("models.gpt2_large.train.zzz", ["architecture", "corpus", "heads"]),
        ("datasets.my_texts.zzz", ["bundled", "url", "path", "generate", "controls"]),
        ("datasets.drawn.sample.zzz", ["first", "size", "seed"]),
        ("datasets.written.generate.zzz", ["grammar", "model", "count"]),
        ("figures.my_figure.zzz", ["paper", "title", "model", "dataset"]),
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
    wrong = 7 if KEYS[path].get("type") == "string" else "wrong"
    said, shown = refusal(changed({path: wrong}))
    assert f"'{path}'" in said
    assert repr(wrong) in said
    example = at(shown, path)
    assert example == KEYS[path]["examples"][0]
    if path not in ("models", "datasets"):  # to whose entries others refer
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
        ("datasets.my_texts.controls", ["x"], "x", "without_first_row, equal_length"),
        ("datasets.written.generate.groups.good", "dull", "dull", "mapping"),
        ("datasets.written.generate.groups.good", {"quality": 5}, 5, "text"),
        ("datasets.written.generate.subjects", [5], 5, "text"),
        ("models.my_model", "gpt2", "gpt2", "mapping"),
        ("models.my_model", None, None, "mapping"),
        ("datasets.my_texts", "/data/x.json", "/data/x.json", "mapping"),
        ("figures.my_figure", ["my_model"], ["my_model"], "mapping"),
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


@pytest.mark.parametrize(
    ("path", "wrong", "limit"),
    [
        ("models.my_model.layers", 0, "minimum"),
        ("models.my_model.width", 1, "minimum"),
        ("models.gpt2_large.train.vocabulary", 10, "minimum"),
        ("models.gpt2_large.train.learning_rate", -0.5, "exclusiveMinimum"),
        ("models.gpt2_large.train.seed", -1, "minimum"),
        ("datasets.my_texts.max_tokens", 0, "minimum"),
        ("datasets.my_texts.sample.first", 0, "minimum"),
        ("datasets.drawn.sample.size", -2, "minimum"),
        ("datasets.written.generate.count", 0, "minimum"),
        ("datasets.written.generate.top_p", 1.5, "maximum"),
        ("datasets.written.generate.temperature", -0.5, "exclusiveMinimum"),
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
        ("figures.my_figure.paper", "liang2025"),
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
    "figures": "figures",
    "models.my_model.layers": "models.my_model",
    "models.gpt2_large.width": "models.gpt2_large",
    "models.gpt2_large.train.architecture": "models.gpt2_large.train",
    "models.gpt2_large.train.corpus": "models.gpt2_large.train",
    "models.gpt2_large.train.heads": "models.gpt2_large.train",
    "datasets.written.generate.count": "datasets.written.generate",
    "figures.my_figure.model": "figures.my_figure",
    "figures.my_figure.dataset": "figures.my_figure",
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
        *[(section, name) for section in ("datasets", "figures") for name in ("../up", "$(x)")],
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
    ("section", "name"), [("models", 2024), ("datasets", True), ("figures", 1.5), ("models", None)]
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
        ["'datasets.child'", "bundled and path", "bundled, url, path, generate"],
    ),
    "texts from nowhere": (
        {"datasets.child.bundled": REMOVED},
        ["'datasets.child'", "bundled, url, path, generate"],
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
}
# A sentence says what to do if it commands something or lists what there is.
ADVICE = re.compile(
    r"\b(add|change|choose|correct|give|lower|needs|put|raise|remove|set)\b|known: "
)


@pytest.mark.parametrize(("values", "parts"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradiction(values, parts):
    """The entry and both sides of the contradiction are named."""
    said, _ = refusal(changed(values))
    for part in parts:
        assert part in said


@pytest.mark.parametrize(("values", "parts"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradiction_says_what_to_do(values, parts):
    """The sentence does not stop at what is wrong."""
    assert ADVICE.search(refusal(changed(values))[0])


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
    assert checked(changed({"models.my_model.extract": layers}))


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
