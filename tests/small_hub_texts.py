"""A few texts in the files that the hub has some data sets in."""

from __future__ import annotations

import gzip
import io
import json
from pydoc_data.topics import topics

import pandas

from hub_server import Files
from matrix_entropy.texts.python_documentation import paragraphs
from matrix_entropy.texts.synthetic.genres import records

OPENBOOKQA_CARD = """---
configs:
- config_name: main
  data_files:
  - {split: train, path: main/train-*}
  - {split: validation, path: main/validation-*}
  - {split: test, path: main/test-*}
---
"""


def dolly(long: int, short: int, empty: int) -> Files:
    """databricks-dolly-15k's one file, and a card without subsets.

    Contexts are paragraphs of Python's documentation; long ones have more than 513 tokens.
    """
    told = paragraphs(topics)
    contexts = [" ".join(told[20 * i : 20 * (i + 1)]) for i in range(long)]
    contexts += [told[20 * long + i] for i in range(short)] + [""] * empty
    asked = {"instruction": "What does it say?", "response": "This.", "category": "closed_qa"}
    return {
        "README.md": b"---\nlicense: cc-by-sa-3.0\n---\n",
        "databricks-dolly-15k.jsonl": lines(asked | {"context": each} for each in contexts),
    }


def benchmarks(count: int) -> dict[str, Files]:
    """Three benchmarks by their ids, with so many questions in every split."""
    found = {name: parquet(records(name, count)) for name in ("openbookqa", "winogrande", "piqa")}
    splits = ("train", "validation", "test")
    card = OPENBOOKQA_CARD.encode()
    one, whole = "-00000-of-00001.parquet", "/0000.parquet"
    return {
        "allenai/openbookqa": {
            "README.md": card,
            **{f"main/{split}{one}": found["openbookqa"] for split in splits},
        },
        "allenai/winogrande": {
            "README.md": card.replace(b"main", b"winogrande_xl"),
            **{f"winogrande_xl/{split}{one}": found["winogrande"] for split in splits},
        },
        "ybisk/piqa": {f"plain_text/{split}{whole}": found["piqa"] for split in splits},
    }


def running_texts(shards: int, texts: int) -> dict[str, Files]:
    """Wikipedia, a row in each of its Parquet files, OpenWebText2 and hh-rlhf."""
    articles = list(records("wikipedia", shards))
    name = "data/20220301.en/train-{:05}-of-{:05}.parquet".format
    wikipedia: Files = {
        name(shard, shards): parquet(articles[shard : shard + 1]) for shard in range(shards)
    }
    wikipedia["data/20220301.simple/train-00000-of-00001.parquet"] = parquet(articles[:1])
    wikipedia |= {"README.md": b"# Wikipedia", "wikipedia.py": b"raise RuntimeError"}
    web = lines(records("openwebtext2", texts))
    # Dialogues of one to four in a row, so that some are as long as figures want them.
    spoken = records("hh_rlhf", 4 * texts)
    talks = [
        {key: "".join(talk[key] for talk in several) for key in ("chosen", "rejected")}
        for several in ([next(spoken) for _ in range(1 + i % 4)] for i in range(texts))
    ]
    kinds = ("harmless-base", "helpful-base", "helpful-online", "helpful-rejection-sampled")
    return {
        "legacy-datasets/wikipedia": wikipedia,
        "suolyer/pile_openwebtext2": {"README.md": b"", "test.json": web, "val.json": web},
        "Anthropic/hh-rlhf": {"README.md": b"# hh-rlhf"}
        | {
            f"{kind}/{split}.jsonl.gz": gzip.compress(lines(talks[number::4]), mtime=0)
            for number, kind in enumerate(kinds)
            for split in ("train", "test")
        },
    }


def instructions(count: int, prompts: list[str]) -> dict[str, Files]:
    """Alpaca, Wizard-instruct, and OpenOrca behind these prompts and none."""
    asked = records("openorca", count)
    systems = ["", *prompts]
    orca = [each | {"system_prompt": systems[i % len(systems)]} for i, each in enumerate(asked)]
    wizard = json.dumps(list(records("wizard_instruct", count))).encode()
    alpaca = "data/train-00000-of-00001-a09b74b3ef9c3b56.parquet"
    return {
        "tatsu-lab/alpaca": {"README.md": b"", alpaca: parquet(records("alpaca", count))},
        "WizardLMTeam/WizardLM_evol_instruct_70k": {
            "README.md": b"",
            "alpaca_evol_instruct_70k.json": wizard,
        },
        "Open-Orca/OpenOrca": {
            "README.md": b"",
            "1M-GPT4-Augmented.parquet": parquet(orca),
            "3_5M-GPT3_5-Augmented.parquet": parquet(orca[:1]),
        },
    }


def lines(rows: object) -> bytes:
    """JSON Lines of records."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()  # type: ignore[attr-defined]


def parquet(rows: object) -> bytes:
    """A Parquet file of records."""
    buffer = io.BytesIO()
    pandas.DataFrame(list(rows)).to_parquet(buffer)  # type: ignore[call-overload]
    return buffer.getvalue()
