"""A few texts in the files that the hub has some data sets in."""

from __future__ import annotations

import io
import json
from pydoc_data.topics import topics

import pandas

from hub_server import Files
from matrix_entropy.genres import records
from matrix_entropy.python_documentation import paragraphs

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
    lines = (json.dumps(asked | {"context": context}) + "\n" for context in contexts)
    return {
        "README.md": b"---\nlicense: cc-by-sa-3.0\n---\n",
        "databricks-dolly-15k.jsonl": "".join(lines).encode(),
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


def parquet(rows: object) -> bytes:
    """A Parquet file of records."""
    buffer = io.BytesIO()
    pandas.DataFrame(list(rows)).to_parquet(buffer)  # type: ignore[call-overload]
    return buffer.getvalue()
