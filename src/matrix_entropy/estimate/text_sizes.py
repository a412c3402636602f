"""How many texts and tokens a data set has, without a network and before anything is built.

Texts that are at hand (in this repository, in a file, in the configuration) are counted. For the
others there is a table, ``text_sizes.yaml``, of published numbers and of lengths that were measured
or assumed; lengths are taken to be lognormal.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from matrix_entropy.base.shipped import ROOT
from matrix_entropy.base.yaml_files import read_yaml
from matrix_entropy.configuration.shared_checks import has_images
from matrix_entropy.texts.python_documentation import read_python_documentation
from matrix_entropy.texts.readers import read_dataset
from matrix_entropy.texts.written_sentences import written_sentences

Entry = dict[str, Any]
Float64 = NDArray[np.float64]

TABLE = Path(__file__).with_name("text_sizes.yaml")
COUNTED = "counted"

# Texts that stand for all of a lognormal distribution, each for the same share of it.
REPRESENTATIVES = 200
# Of models that are not trained here: the context of most of the papers' models.
CONTEXT = 2048


@dataclass(frozen=True)
class Texts:
    """Texts of several lengths, in characters or tokens: ``counts`` of each of the ``lengths``.

    ``before`` is the length of what is read in front of each and not kept.
    """

    lengths: Float64
    counts: Float64
    before: Float64

    @property
    def texts(self) -> float:
        return float(self.counts.sum())

    @property
    def kept(self) -> float:
        """Total length of what is kept."""
        return float(self.counts @ self.lengths)

    @property
    def read(self) -> float:
        """Total length of what is read."""
        return float(self.counts @ (self.before + self.lengths))

    @property
    def squares(self) -> float:
        """Sum of the squares of what is read, which attention grows with."""
        return float(self.counts @ (self.before + self.lengths) ** 2)

    def of(self, factor: float) -> Texts:
        """The same in another unit."""
        return Texts(self.lengths * factor, self.counts, self.before * factor)


def lognormal(count: float, mean: float, spread: float) -> Texts:
    """So many texts whose lengths are lognormal: ``mean``, and ``spread`` of their logarithms.

    Examples
    --------
    >>> texts = lognormal(1000, 500.0, 0.8)
    >>> round(texts.texts), round(texts.kept / texts.texts)
    (1000, 500)
    """
    shares = (np.arange(REPRESENTATIVES) + 0.5) / REPRESENTATIVES
    lengths = np.exp(spread * ndtri(shares))
    lengths *= mean / lengths.mean()
    return _texts(lengths, count / REPRESENTATIVES)


def as_read(name: str, config: Entry, model: Entry) -> Texts:
    """The tokens that a model reads of a data set, as its entry cuts and selects them.

    Lengths in characters are divided by the characters that a token has; texts of fewer than
    ``min_tokens`` are left out; what is left is cut to ``max_tokens`` and to the model's context.
    """
    texts = uncut(name, config, model)
    dataset, front = config["datasets"][name], int(model["bos"])
    long_enough = texts.lengths >= dataset.get("min_tokens", 0)
    lengths = np.minimum(texts.lengths + front, dataset.get("max_tokens", np.inf))
    lengths = np.minimum(lengths, np.maximum(context_of(model) - texts.before, 1.0))
    return Texts(lengths[long_enough], texts.counts[long_enough], texts.before[long_enough])


def uncut(name: str, config: Entry, model: Entry) -> Texts:
    """The texts of a data set in a model's tokens, whole."""
    return texts_of(name, config).of(1 / characters_per_token(model))


def context_of(model: Entry) -> int:
    """Tokens that a model reads at most: a stand-in's own, else assumed."""
    return int(model["train"]["context"]) if "train" in model else CONTEXT


def characters_per_token(model: Entry) -> float:
    """Mean number of characters of a token, by the size of the vocabulary."""
    return float(_table()["characters_per_token"]["stand_in" if "train" in model else "model"])


def texts_of(name: str, config: Entry) -> Texts:
    """The texts of a data set in characters, from its entry, its file or the table."""
    dataset = config["datasets"][name]
    if "union" in dataset:
        return _joined([texts_of(member, config) for member in dataset["union"]])
    if "variants" in dataset:
        of = texts_of(dataset["variants"]["of"], config)
        changes = dataset["variants"]["changes"]
        prefixes = (
            changes.get(change.get("like"), change).get("prefix", "") for change in changes.values()
        )
        return _joined([_behind(of, len(prefix)) for prefix in prefixes])
    return _of_its_own(name, dataset)[0]


def sources(names: Iterable[str], config: Entry) -> dict[str, str]:
    """Where the sizes of data sets come from; those made of others are left out."""
    datasets = config["datasets"]
    own = [name for name in names if not {"union", "variants"} & set(datasets[name])]
    return {name: _of_its_own(name, datasets[name])[1] for name in own}


def _of_its_own(name: str, dataset: Entry) -> tuple[Texts, str]:
    """Texts of a data set that is not made of others, and where their size comes from."""
    if "expected" in dataset:
        expected = dataset["expected"]
        characters = np.array([expected["tokens"] * _table()["characters_per_token"]["model"]])
        return _texts(characters, expected["texts"]), "stated in the configuration"
    if "sentences" in dataset:
        sentences = dataset["sentences"]
        written = written_sentences(sentences["contexts"], sentences.get("words", []))
        return _counted(written), COUNTED
    if "python_documentation" in dataset:
        return _counted(read_python_documentation(dataset)[0]), COUNTED
    if "model" in dataset.get("generate", {}):
        return _by_model(dataset["generate"]), "at most, as configured"
    source = _file(dataset)
    if source is not None:
        return _of_file(source, json.dumps(dataset)), COUNTED
    row = _row(dataset)
    stated = dataset.get("generate", {}).get("count", row.get("texts"))
    sample = dataset.get("sample", {})
    limits = [sample[key] for key in ("first", "size") if key in sample]
    count = min([stated * row.get("share", 1), *limits])
    return lognormal(count, row["characters"], row["spread"]), row["source"]


def image_bytes(name: str, config: Entry, present: int = 0) -> float:
    """About how many bytes of images are fetched for a data set of which some are present."""
    dataset = config["datasets"][name]
    if not {"images_url", "zip"} & set(dataset):
        return 0.0
    # A zip stays beside what is unpacked from it.
    copies = 2 if "zip" in dataset else 1
    missing = max(0.0, texts_of(name, config).texts - present)
    return float(copies * missing * _row(dataset)["image"])


def data_bytes(names: Iterable[str], config: Entry) -> float:
    """About how many bytes data sets of the hub take: files, each once, and tables of JSON."""
    found: dict[str, float] = {}
    for name in names:
        dataset = config["datasets"][name]
        if "hub" in dataset:
            row = _row(dataset)
            files = float(row.get("files", texts_of(name, config).kept))
            size = files * (1 + row.get("table", 0))
            found[dataset["hub"]] = max(size, found.get(dataset["hub"], 0.0))
    return sum(found.values())


def _row(dataset: Entry) -> Entry:
    """The row of the table for a data set, the last one if no other fits."""
    row: Entry = next(row for row in _table()["rows"] if _fits(row["where"], dataset))
    return row


def _file(dataset: Entry) -> Path | None:
    """The file whose texts can be counted, if it is there."""
    if "bundled" in dataset:
        return ROOT / dataset["bundled"]
    path = Path(dataset.get("path", ""))
    return path if path.is_file() and not has_images(dataset) else None


@functools.cache
def _of_file(source: Path, dataset: str) -> Texts:
    """Texts of a file, read once for all models; ``dataset`` is the entry as JSON."""
    return _counted(read_dataset(json.loads(dataset), source, str(source))[0])


def _by_model(generate: Entry) -> Texts:
    """As long as the model may write, behind the prompt if that is kept."""
    written = generate["max_new_tokens"] * _table()["characters_per_token"]["model"]
    characters = written + generate["keep_prompt"] * len(generate["template"])
    count = generate["count"] * len(generate.get("groups", [None]))
    return _texts(np.array([characters]), count)


def _fits(where: Entry, dataset: Entry) -> bool:
    given = dataset | dataset.get("generate", {})
    return all(given.get(key) == value for key, value in where.items())


def _counted(texts: Sequence[Entry]) -> Texts:
    return _texts(np.array([float(len(text["text"])) for text in texts]), 1)


def _texts(lengths: Float64, counts: float) -> Texts:
    return Texts(lengths, np.full(len(lengths), float(counts)), np.zeros(len(lengths)))


def _behind(texts: Texts, prefix: int) -> Texts:
    return Texts(texts.lengths, texts.counts, texts.before + prefix)


def _joined(parts: list[Texts]) -> Texts:
    return Texts(
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.before for part in parts]),
    )


@functools.cache
def _table() -> Entry:
    table: Entry = read_yaml(TABLE)
    return table
