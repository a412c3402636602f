"""A user's own vision-language models and images, as typed: tables, parts, and what goes wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from transformers import LlavaForConditionalGeneration

import small_llava
import small_minigpt_v2
from commands import check_refusal, snakemake, snakemake_for, with_changes
from matrix_entropy.base.files import read_json, read_jsonl
from matrix_entropy.models.vision.minigpt_v2 import load_minigpt_v2
from matrix_entropy.results.multimodal_metrics import POSITIONS
from matrix_entropy.results.spectra_file import Spectra

TABLES = ["five", "changed", "parts"]
TARGETS = [*(f"results/tables/{name}.csv" for name in TABLES), "figures/where.pdf"]
# Behind the image and the token that begins a text.
ROOM = small_llava.CONTEXT - small_llava.IMAGE_TOKENS - 1
TEXTS = ["two green circles", "a red square and a blue field", "left of it", "on a blue field ."]


def configuration() -> dict[str, Any]:
    side, patch = small_minigpt_v2.SIZE, small_minigpt_v2.PATCH
    described = {"connector": "MLP", "language_model": "Llama", "layers": 2, "width": 32}
    shown = {"family": "Mine", "size": "tiny", "parameters": 1.0e5}
    return {
        "models": {
            "my_llava": {
                "path": "llava",
                "vision": {
                    "encoder": "CLIP",
                    "layers": 2,
                    "width": small_llava.VISION_WIDTH,
                    "image_size": small_llava.SIDE,
                    "patch": small_llava.PATCH,
                    "image_tokens": small_llava.IMAGE_TOKENS,
                },
                **described,
                **shown,
            },
            "my_minigpt": {
                "minigpt_v2": {
                    "checkpoint": "parts/checkpoint.pth",
                    "vision_encoder": "parts/eva_vit_g.pth",
                    "language_model": "my_llama",
                    "fetch_from": "example.org",
                },
                "vision": {
                    "encoder": "EVA",
                    "layers": small_minigpt_v2.BLOCKS,
                    "width": small_minigpt_v2.WIDTH,
                    "image_size": side,
                    "patch": patch,
                    "image_tokens": (side // patch) ** 2 // 4,
                },
                **described,
                **shown,
                "width": small_minigpt_v2.LANGUAGE_WIDTH,
            },
            "my_llama": {
                "path": "parts/llama",
                "layers": small_minigpt_v2.LAYERS,
                "width": small_minigpt_v2.LANGUAGE_WIDTH,
            },
        },
        "datasets": {
            "talks": {"path": "talks.json", "record": "llava_instruct", "images": "images"},
            "captions": {
                "path": "captions.json",
                "record": "cc_sbu_align",
                "images": "images",
                "max_tokens": ROOM,
            },
        },
        "figures": {"where": {"kind": "schematic", "models": ["my_llava", "my_minigpt"]}},
        "tables": {
            "five": {
                "kind": "multimodal",
                "models": ["my_llava", "my_minigpt"],
                "datasets": ["talks", "captions"],
            },
            "changed": {"kind": "image_operations", "model": "my_llava", "dataset": "talks"},
            "parts": {"kind": "architecture", "models": ["my_llava", "my_minigpt"]},
        },
    }


def prepare(folder: Path, root: Path) -> None:
    """Models, pictures and records of a user in a folder."""
    shutil.copy(root / "config.yaml", folder)
    tokenizer = small_llava.tokenizer()
    small_llava.model(vocabulary=len(tokenizer)).save_pretrained(folder / "llava")
    small_llava.processor(tokenizer).save_pretrained(folder / "llava")
    small_minigpt_v2.save_authors_files(folder / "parts")
    (folder / "images").mkdir()
    for number, picture in enumerate(small_llava.pictures(len(TEXTS))):
        picture.save(folder / f"images/{number}.jpg")
    talks = [
        {
            "image": f"{number}.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat is there?"},
                {"from": "gpt", "value": text},
            ],
        }
        for number, text in enumerate(TEXTS)
    ]
    (folder / "talks.json").write_text(json.dumps(talks))
    captions = [{"image_id": str(number), "caption": text} for number, text in enumerate(TEXTS)]
    (folder / "captions.json").write_text(json.dumps({"annotations": captions}))
    (folder / "mine.yaml").write_text(yaml.safe_dump(configuration()))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder in which all of `configuration` is built."""
    folder = tmp_path_factory.mktemp("mine")
    prepare(folder, root)
    done = snakemake_for(root, folder, *TARGETS)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_the_patches_of_an_image_have_the_entropy_of_their_states(built: Path) -> None:
    """From the JPEG in the folder, by hand through CLIP and one d x d eigenvalue problem."""
    model = LlavaForConditionalGeneration.from_pretrained(built / "llava", dtype=torch.float32)
    processor = small_llava.image_processor()
    table, entropies = pd.read_csv(built / "results/tables/five.csv"), []
    for number in range(len(TEXTS)):
        image = Image.open(built / f"images/{number}.jpg")
        with torch.inference_mode():
            pixels = processor(images=[image], return_tensors="pt")["pixel_values"]
            seen = model.model.vision_tower(pixels, output_hidden_states=True)
        rows = seen.hidden_states[-2][0, 1:].double().numpy()
        rows = rows - rows.mean(axis=0)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        values = np.linalg.eigvalsh(rows.T @ rows / len(rows))
        values = values[values > 1e-12]
        entropies.append(-(values * np.log(values)).sum() / np.log(small_llava.VISION_WIDTH))
    found = table[(table["model"] == "my_llava") & (table["indicator"] == POSITIONS[0])]
    assert found["value"].tolist() == pytest.approx([np.mean(entropies)] * 2, abs=1e-6)


def test_a_minigpt_v2_out_of_its_parts_is_the_one_that_is_measured(built: Path) -> None:
    record = read_json(built / "results/models/my_minigpt.json")
    assert record["made_of"].keys() >= {"checkpoint.pth", "eva_vit_g.pth", "lora"}
    model = load_minigpt_v2(Path(record["folder"]), "float32")
    spectra = Spectra.load(built / f"results/spectra/my_minigpt/talks.none.{POSITIONS[1]}.npz")
    image = Image.open(built / "images/2.jpg")
    with torch.inference_mode():
        rows = model.connect(model.patches([image]))[0].double().numpy()
    rows -= rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = np.linalg.eigvalsh(rows @ rows.T / len(rows))[::-1][: spectra.counts[0, 0, 2]]
    start = spectra.counts[0, 0, :2].sum()
    found = spectra.eigenvalues[start : start + len(expected)]
    np.testing.assert_allclose(np.sort(found)[::-1], expected, atol=1e-6)
    assert spectra.provenance["model"]["language_model"]["id"] == "parts/llama"
    assert spectra.provenance["dataset"]["images_sha256"]


def test_operations_leave_alone_what_they_cannot_reach(built: Path) -> None:
    """Reversed image tokens: H1, H2 and H4 to the bit; a rotated image: H4."""
    eigenvalues = {
        (operation, position): Spectra.load(
            built / f"results/spectra/my_llava/talks.{operation}.{position}.npz"
        ).eigenvalues
        for operation in ("none", "rotated", "reversed")
        for position in POSITIONS
    }
    for operation, untouched in (("reversed", (0, 1, 3)), ("rotated", (3,))):
        for number, position in enumerate(POSITIONS):
            same = np.array_equal(eigenvalues[operation, position], eigenvalues["none", position])
            assert same == (number in untouched), (operation, position)
    table = pd.read_csv(built / "results/tables/changed.csv")
    changes = table[table["indicator"].isin(POSITIONS)].set_index(["variant", "position"])["change"]
    assert changes["reverse_after_connector", POSITIONS[0]] == 0
    assert changes["reverse_after_connector", POSITIONS[2]] != 0


def test_the_table_of_parts_and_the_schematic_are_the_configuration(built: Path) -> None:
    parts = pd.read_csv(built / "results/tables/parts.csv", index_col=0, dtype=str)
    assert parts.loc["image tokens after it"].tolist() == [str(small_llava.IMAGE_TOKENS), "9"]
    assert parts.loc["vision encoder"].tolist() == ["CLIP", "EVA"]
    numbers = pd.read_csv(built / "figures/where.csv", dtype=str)
    rows = numbers[numbers["position"] == POSITIONS[0]]["rows"]
    assert rows.tolist() == [str(small_llava.IMAGE_TOKENS), "36"]


def test_the_pickles_may_go_once_they_are_converted(built: Path, root: Path) -> None:
    """Others in their place are noticed; their address is a message's alone."""
    checkpoint = built / "parts/checkpoint.pth"
    aside = checkpoint.rename(built / "checkpoint.pth")
    moved = {"models.my_minigpt.minigpt_v2.fetch_from": "elsewhere.org"}
    (built / "mine.yaml").write_text(yaml.safe_dump(with_changes(configuration(), moved)))
    try:
        done = snakemake_for(root, built, "-n", *TARGETS)
        assert "Nothing to be done" in done.stdout, done.stdout[-2000:]
        checkpoint.write_bytes(b"another")
        done = snakemake_for(root, built, "-n", "results/models/my_minigpt.json")
        assert "convert_minigpt_v2" in done.stdout
    finally:
        aside.rename(checkpoint)
        (built / "mine.yaml").write_text(yaml.safe_dump(configuration()))


def test_captions_are_asked_for(built: Path) -> None:
    texts = [record["text"] for record in read_jsonl(built / "results/prompts/captions.jsonl")]
    assert all(text.endswith("\n" + said) for text, said in zip(texts, TEXTS, strict=True))


def test_a_rerun_is_the_first_run(built: Path, root: Path, tmp_path: Path) -> None:
    prepare(tmp_path, root)
    done = snakemake_for(root, tmp_path, "results/tables/changed.csv")
    assert done.returncode == 0, done.stderr[-4000:]
    ours, first = (folder / "results/tables/changed.csv" for folder in (tmp_path, built))
    assert ours.read_bytes() == first.read_bytes()


def test_a_record_without_its_image_stops_the_run_or_is_left_out(
    built: Path, root: Path, tmp_path: Path
) -> None:
    prepare(tmp_path, root)
    (tmp_path / "images/1.jpg").unlink()
    (tmp_path / "images/3.jpg").write_bytes((built / "images/3.jpg").read_bytes()[:200])
    target = "results/prompts/talks.jsonl"
    told = ["1 image is missing (1.jpg)", "1 image cannot be read (3.jpg)", "missing_images:"]
    check_refusal(snakemake_for(root, tmp_path, target), tmp_path, target, told)
    changes = {"datasets.talks.missing_images": "leave_out"}
    mine = with_changes(configuration(), changes)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake_for(root, tmp_path, target)
    assert done.returncode == 0, done.stderr[-4000:]
    assert [record["id"] for record in read_jsonl(tmp_path / target)] == ["0", "2"]
    origin = read_json(tmp_path / "results/prompts/talks.origin.json")
    assert (origin["missing"], origin["unreadable"], origin["texts"]) == (1, 1, 2)


BAD = {
    "results/prompts/elsewhere.jsonl": [
        "there is no folder of images",
        "To be had from: example.org/images.",
    ],
    "results/models/without_checkpoint.json": [
        "there is no file",
        "parts/other.pth",
        "To be had from: example.org.",
    ],
    f"results/spectra/my_llava/talks.none.{POSITIONS[4]}.npz": [
        "the text of record '2'",
        f"behind the {small_llava.IMAGE_TOKENS} tokens of an image",
        f"`max_tokens: {ROOM}`",
    ],
    "results/models/evil.json": ["evil.pth cannot be read without running code"],
}


def test_what_is_wrong_is_said_in_a_sentence(root: Path, tmp_path: Path) -> None:
    """No images, no checkpoint, a text too long behind its image, and a file that runs code."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    prepare(tmp_path, root)
    torch.save({"model": Evil()}, tmp_path / "parts/evil.pth")
    talks = json.loads((tmp_path / "talks.json").read_text())
    talks[2]["conversations"][1]["value"] = " ".join(TEXTS * 4)
    (tmp_path / "talks.json").write_text(json.dumps(talks))
    mine = configuration()
    seen = mine["datasets"]["talks"]
    elsewhere = {"images": "elsewhere", "fetch_from": "example.org/images"}
    mine["datasets"]["elsewhere"] = seen | elsewhere
    made_of = mine["models"]["my_minigpt"]["minigpt_v2"]
    for name, file in (("without_checkpoint", "other.pth"), ("evil", "evil.pth")):
        parts = made_of | {"checkpoint": f"parts/{file}"}
        mine["models"][name] = mine["models"]["my_minigpt"] | {"minigpt_v2": parts}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake_for(root, tmp_path, *BAD, "--keep-going")
    for target, told in BAD.items():
        check_refusal(done, tmp_path, target, told)
    assert not (tmp_path / "ran").exists()


def test_a_vision_language_model_is_not_run_as_a_language_model(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "miniature/config.yaml", tmp_path)
    target = "figures/layers_llava_1_5_7b_child.pdf"
    done = snakemake(root, "-n", target, "--directory", str(tmp_path))
    assert done.returncode != 0
    assert target in done.stderr + done.stdout


def test_the_miniature_has_learned_to_look(miniature: Path) -> None:
    """Held-out captions: far below an untrained model, and worse behind other texts' pictures."""
    for model in ("llava_1_5_7b", "minigpt_v2_7b"):
        record = read_json(miniature / f"results/models/{model}.json")
        assert record["held_out_loss"] < record["untrained_loss"] / 5
        assert record["held_out_loss"] < record["held_out_loss_shuffled"] - 0.05


def test_the_miniature_tables_come_from_their_metrics(miniature: Path) -> None:
    for name in ("wei_table5_mllm", "wei_table6_image_operations"):
        table = pd.read_csv(miniature / f"results/tables/{name}.csv")
        operations = {"base": "none", "rotate_image_clockwise": "rotated"}
        operations["reverse_after_connector"] = "reversed"
        shown = table[table["indicator"].isin(POSITIONS)]
        assert len(shown) == {"wei_table5_mllm": 20, "wei_table6_image_operations": 15}[name]
        for row in shown.itertuples():
            run = f"{row.dataset}.{operations[row.variant]}"
            metrics = pd.read_parquet(miniature / f"results/metrics/{row.model}/{run}.parquet")
            of_place = metrics[metrics["layer"] == row.position]["matrix_entropy_normalised"]
            assert len(of_place) == 60
            assert row.value == pytest.approx(of_place.mean(), abs=1e-9)
    five = pd.read_csv(miniature / "results/tables/wei_table5_mllm.csv")
    wide = five[five["measure"] == "Matrix entropy / log d"].pivot(
        index=["model", "dataset"], columns="indicator", values="value"
    )
    three = wide[list(POSITIONS[2:])]
    expected = (three.min(axis=1) / three.max(axis=1)).to_numpy()
    np.testing.assert_allclose(wide["image_text_alignment"], expected, atol=1e-9)
    np.testing.assert_allclose(
        wide["image_reduction"], wide[POSITIONS[0]] - wide[POSITIONS[1]], atol=1e-9
    )
