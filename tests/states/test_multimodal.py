"""Spectra at the five places: against every record run alone, and however the work is cut."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import small_llava
import small_minigpt_v2
from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.spectra import spectrum
from matrix_entropy.models.vision.llava import Llava
from matrix_entropy.results.metrics import entropies, metrics_table, summary_table
from matrix_entropy.results.multimodal_metrics import OPERATIONS, POSITIONS
from matrix_entropy.results.spectra_file import EPSILON, Spectra, gathered
from matrix_entropy.states import multimodal
from matrix_entropy.states.multimodal import measure
from released import released_entropy
from small_llava import IMAGE_TOKENS, VISION_WIDTH, WIDTH

H1, H2, H3, H4, H5 = POSITIONS
Float64 = NDArray[np.float64]
Records = list[dict[str, str]]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    return small_llava.records(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def llava() -> Llava:
    return small_llava.llava()


@pytest.fixture(scope="module")
def base(llava: Llava, records: Records) -> dict[str, Spectra]:
    return measure(llava, records, "none", {"model": "small"})


def values(found: dict[str, Spectra]) -> dict[str, Float64]:
    """Entropies by position, (records,)."""
    return {position: entropies(spectra)[0, 0] for position, spectra in found.items()}


def assert_same(found: dict[str, Spectra], expected: dict[str, Spectra]) -> None:
    """The same to what rounding in float32 makes of it."""
    for position in POSITIONS:
        np.testing.assert_array_equal(found[position].rows, expected[position].rows)
        np.testing.assert_allclose(
            found[position].eigenvalues, expected[position].eigenvalues, atol=1e-5
        )


def assert_identical(found: Spectra, expected: Spectra) -> None:
    for field in dataclasses.fields(Spectra):
        if field.name != "provenance":
            one, other = getattr(found, field.name), getattr(expected, field.name)
            assert np.asarray(one).tobytes() == np.asarray(other).tobytes(), field.name


def differs(found: Spectra, expected: Spectra) -> bool:
    """In every record, by more than rounding."""
    return bool((abs(entropies(found) - entropies(expected)) > 1e-4).all())


def entropy_of(rows: torch.Tensor) -> float:
    """By the covariance, width × width, as it is defined."""
    z = rows.double().numpy()
    z = z - z.mean(axis=0)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    eigenvalues = np.linalg.eigvalsh(z.T @ z / len(z))
    eigenvalues = eigenvalues[eigenvalues > 1e-12]
    return float(-(eigenvalues * np.log(eigenvalues)).sum())


@torch.inference_mode()
def rows_alone(record: dict[str, str], bos: bool, operation: str = "none") -> dict[str, Any]:
    """The rows of one record from forward passes of transformers' whole model.

    The five inputs are written out as ids with a placeholder for every image token. Reversed tokens
    are put together by hand from the embeddings.
    """
    model, tokenizer = small_llava.model(), small_llava.tokenizer(bos)
    image = Image.open(record["image"])
    if operation == "rotated":
        image = image.rotate(-90, expand=True)
    pixels = small_llava.image_processor()(images=[image], return_tensors="pt")["pixel_values"]
    text = tokenizer(record["text"], add_special_tokens=False)["input_ids"]
    front = [tokenizer.bos_token_id] if bos else []
    placeholders = [model.config.image_token_id] * IMAGE_TOKENS
    tower = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
    tokens = torch.stack(list(model.get_image_features(pixels).pooler_output))[0]

    def final(ids: list[int]) -> torch.Tensor:
        table = model.get_input_embeddings()
        embeddings = table(torch.tensor(front + ids))
        places = [at for at, one in enumerate(front + ids) if one == placeholders[0]]
        if places:
            embeddings[places] = tokens.flip(0) if operation == "reversed" else tokens
        output = model(inputs_embeds=embeddings[None], output_hidden_states=True)
        if places and operation != "reversed":  # then the whole model's own way must say the same
            whole = model(
                input_ids=torch.tensor([front + ids]),
                pixel_values=pixels,
                output_hidden_states=True,
            )
            torch.testing.assert_close(whole.hidden_states[-1], output.hidden_states[-1])
        return output.hidden_states[-1][0, len(front) :]

    return {
        H1: tower[-2][0, 1:],
        H2: tokens,
        H3: final(placeholders),
        H4: final(text),
        H5: final(placeholders + text),
    }


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_all_are_those_of_every_record_alone(records: Records, bos: bool, operation: str) -> None:
    found = measure(small_llava.llava(bos), records, operation, {})
    widths = {H1: VISION_WIDTH} | dict.fromkeys(POSITIONS[1:], WIDTH)
    for number, record in enumerate(records):
        for position, rows in rows_alone(record, bos, operation).items():
            spectra = found[position]
            assert spectra.width == rows.shape[1] == widths[position]
            assert spectra.rows[0, 0, number] == len(rows) == np.diff(spectra.offsets)[number]
            entropy = entropies(spectra)[0, 0, number]
            assert entropy == pytest.approx(entropy_of(rows), abs=1e-5)
            if len(rows) > 1:
                released = released_entropy(rows) * np.log(rows.shape[1])
                assert entropy == pytest.approx(released, abs=1e-3)


def test_they_are_ready_for_metrics(base: dict[str, Spectra], tmp_path: Path) -> None:
    for position, spectra in base.items():
        spectra.save(tmp_path / "spectra.npz")
        read = Spectra.load(tmp_path / "spectra.npz")
        assert_identical(read, spectra)
        assert read.provenance == {
            "model": "small",
            "tokens": int(spectra.offsets[-1]),
            "truncated_texts": 0,
        }
        table, summary = metrics_table(read), summary_table(read)
        assert table["layer"].tolist() == [position] * 5
        assert table["id"].tolist() == [f"r{number}" for number in range(5)]
        np.testing.assert_allclose(
            table["matrix_entropy_normalised"], entropies(spectra)[0, 0] / np.log(spectra.width)
        )
        assert table["loss"].isna().all()
        assert summary[["texts", "undefined"]].to_numpy().tolist() == [[5, 0]]


def test_rotation_changes_all_but_the_text_alone(
    llava: Llava, records: Records, base: dict[str, Spectra]
) -> None:
    found = measure(llava, records, "rotated", {})
    assert_identical(found[H4], base[H4])
    for position in (H1, H2, H3, H5):
        assert differs(found[position], base[position])


def test_reversal_changes_only_what_reads_the_image_tokens(
    llava: Llava, records: Records, base: dict[str, Spectra]
) -> None:
    found = measure(llava, records, "reversed", {})
    for position in (H1, H2, H4):
        assert_identical(found[position], base[position])
    for position in (H3, H5):
        assert differs(found[position], base[position])
    assert not llava.connector._forward_hooks
    again = measure(llava, records, "none", {})
    for position in POSITIONS:
        assert_identical(again[position], base[position])


def test_minigpt_v2_is_measured_in_the_same_way(records: Records) -> None:
    model = small_minigpt_v2.small_model(max_position_embeddings=64)
    found = {name: measure(model, records, name, {}) for name in OPERATIONS}
    texts = np.array([len(model.tokenizer(record["text"])["input_ids"]) for record in records])
    expected = {H1: 0 * texts + 36, H2: 0 * texts + 9, H3: 0 * texts + 9, H4: texts, H5: 9 + texts}
    for position, rows in expected.items():
        for spectra in found.values():
            np.testing.assert_array_equal(spectra[position].rows[0, 0], rows)
        base = found["none"][position]
        assert differs(found["rotated"][position], base) == (position != H4)
        assert differs(found["reversed"][position], base) == (position in (H3, H5))


def test_two_equal_texts_are_read_together(
    monkeypatch: pytest.MonkeyPatch, llava: Llava, records: Records, base: dict[str, Spectra]
) -> None:
    """Or the test of batches would test nothing."""
    shapes = []
    read = llava.read
    monkeypatch.setattr(llava, "read", lambda x: (shapes.append(x.shape[:2]), read(x))[1])
    measure(llava, records, "none", {})
    lengths = np.diff(base[H4].offsets)
    assert {batch for batch, _ in shapes} == {1, 2}
    assert max(tokens for _, tokens in shapes) == 1 + IMAGE_TOKENS + lengths.max()


@pytest.mark.parametrize("operation", ["none", "reversed"])
@pytest.mark.parametrize(
    "options",
    [{"batch": 1}, {"batch": 2, "on_disk": 3}, {"on_disk": 1}, {"threads": 3}, {"batch": 3}],
    ids=str,
)
def test_however_the_work_is_cut(
    llava: Llava, records: Records, operation: str, options: dict[str, int]
) -> None:
    assert_same(
        measure(llava, records, operation, {}, **options), measure(llava, records, operation, {})
    )


def test_shards_are_gathered_as_if_never_cut(
    llava: Llava, records: Records, base: dict[str, Spectra]
) -> None:
    shards = [
        measure(llava, some, "none", {"shard": [number, 2]})
        for number, some in enumerate([records[:2], records[2:]], start=1)
    ]
    joined = {at: gathered([shard[at] for shard in shards], "pictures") for at in POSITIONS}
    assert_same(joined, base)


def test_the_row_of_the_first_token_counts_if_asked_for(llava: Llava, records: Records) -> None:
    without = measure(llava, records, "none", {})
    found = measure(llava, records, "none", {}, bos_counts=True)
    for position in (H1, H2):
        assert_identical(found[position], without[position])
    for position in (H3, H4, H5):
        np.testing.assert_array_equal(found[position].rows, without[position].rows + 1)
    # A text of three tokens and the first: by hand.
    ids = llava.tokenizer(records[0]["text"])["input_ids"]
    assert ids[0] == llava.tokenizer.bos_token_id
    with torch.inference_mode():
        states = llava.read(llava.embed(torch.tensor([ids])))[0]
    assert values(found)[H4][0] == pytest.approx(entropy_of(states), abs=1e-6)
    no_bos = small_llava.llava(bos=False)
    one, other = (measure(no_bos, records, "none", {}, bos_counts=x) for x in (True, False))
    for position in POSITIONS:
        assert_identical(one[position], other[position])


class Place:
    """Where the parts of a model are, in the order of the moves."""

    def __init__(self, llava: Llava, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moves: list[tuple[str, str]] = []
        names = {id(part): "vision" for part in llava.vision_parts}
        names |= {id(part): "language" for part in llava.language_parts}
        here = torch.nn.Module.to

        def to(module: torch.nn.Module, where: Any) -> torch.nn.Module:
            self.moves.append((names[id(module)], str(where)))
            # There is no other device here; the CPU stands for it.
            return here(module, "cpu")

        monkeypatch.setattr(torch.nn.Module, "to", to)

    def on_device(self) -> Iterator[set[str]]:
        """What is on the device after each move."""
        there: set[str] = set()
        for part, where in self.moves:
            there = there - {part} if where == "cpu" else there | {part}
            yield there


def test_never_are_both_on_the_device(
    monkeypatch: pytest.MonkeyPatch, llava: Llava, records: Records, base: dict[str, Spectra]
) -> None:
    place = Place(llava, monkeypatch)
    found = measure(llava, records, "none", {}, torch.device("cuda"), on_disk=3)
    assert_same(found, base)
    seen = list(place.on_device())
    assert all(len(there) <= 1 for there in seen)
    # Two rounds; the vision parts are two modules.
    changes = [
        there for before, there in zip([set(), *seen], seen, strict=False) if there != before
    ]
    assert changes == [{"vision"}, set(), {"language"}, set()] * 2


def test_after_a_failure_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, records: Records
) -> None:
    """Neither the parts on the device, nor the hook, nor the file of image tokens."""
    llava = small_llava.llava()
    place = Place(llava, monkeypatch)
    sizes = []

    def fail(embeddings: torch.Tensor) -> torch.Tensor:
        sizes.extend(path.stat().st_size for path in tmp_path.rglob("*.npy"))
        raise RuntimeError("no such kernel")

    llava.read = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="no such kernel"):
        measure(llava, records, "reversed", {}, torch.device("cuda"), scratch=tmp_path)
    assert sizes == [128 + 5 * IMAGE_TOKENS * WIDTH * 4]
    assert not list(tmp_path.iterdir())
    assert list(place.on_device())[-1] == set()
    assert not llava.connector._forward_hooks

    def fail_early(patches: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no such kernel")

    llava.connect = fail_early  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="no such kernel"):
        measure(llava, records, "reversed", {}, torch.device("cuda"), scratch=tmp_path)
    assert not list(tmp_path.iterdir())
    assert list(place.on_device())[-1] == set()
    assert not llava.connector._forward_hooks


def test_weights_can_be_trained_afterwards(records: Records) -> None:
    llava = small_llava.llava()
    measure(llava, records[:1], "none", {}, torch.device("cpu"))
    llava.connect(torch.ones(1, 2, VISION_WIDTH)).sum().backward()
    assert not any(part.is_inference() for part in llava.connector.parameters())


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_types_are_kept_on_the_way(records: Records, dtype: torch.dtype) -> None:
    """The same bytes as without a file between the stages, and rows are dropped by its rounding."""
    llava, record = small_llava.llava(), records[1]
    for part in (*llava.vision_parts, *llava.language_parts):
        part.to(dtype)
    found = measure(llava, [record], "none", {})
    patches = llava.patches([Image.open(record["image"])])
    tokens = llava.connect(patches)
    text = llava.embed(torch.tensor([llava.tokenizer(record["text"])["input_ids"]]))
    states = llava.read(torch.cat([text[:, :1], tokens, text[:, 1:]], dim=1))
    expected = [patches, tokens, states[:, 1 : 1 + IMAGE_TOKENS], llava.read(text)[:, 1:]]
    epsilon = EPSILON[str(dtype).removeprefix("torch.")]
    for position, rows in zip(POSITIONS, [*expected, states[:, 1:]], strict=True):
        assert rows.dtype == dtype
        eigenvalues, counted = spectrum(rows[0].float().numpy(), epsilon)
        np.testing.assert_array_equal(found[position].of(0, 0, 0), eigenvalues)
        assert found[position].rows[0, 0, 0] == counted


def test_convolutions_are_not_rounded(
    monkeypatch: pytest.MonkeyPatch, llava: Llava, records: Records
) -> None:
    """A GPU would; here it can only be seen that it is told not to."""
    told = []
    patches = llava.patches

    def spy(images: list[Image.Image]) -> torch.Tensor:
        told.append((torch.backends.cudnn.allow_tf32, torch.backends.cudnn.enabled))
        return patches(images)

    monkeypatch.setattr(llava, "patches", spy)
    before = torch.backends.cudnn.allow_tf32
    measure(llava, records, "none", {})
    assert told == [(False, True)]
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_text_that_overflows_is_named_before_the_model_reads(
    monkeypatch: pytest.MonkeyPatch, llava: Llava, records: Records
) -> None:
    long = {**records[0], "id": "long", "text": "left of it " * 20}
    opened = []
    open_image = multimodal.open_image
    monkeypatch.setattr(multimodal, "open_image", lambda *x: (opened.append(x), open_image(*x))[1])
    with pytest.raises(InputError, match=r"text of record 'long' has .*`max_tokens: 31`"):
        measure(llava, [*records, long], "none", {}, batch=1)
    assert len(opened) == 1, "known after the first image"
    found = measure(llava, [*records, long], "none", {}, max_tokens=31)
    assert np.diff(found[H4].offsets)[-1] == 31
    assert np.diff(found[H5].offsets)[-1] == 31 + IMAGE_TOKENS
    cut = [False] * len(records) + [True]
    for position in (H4, H5):
        assert found[position].truncated.tolist() == cut
        assert found[position].provenance["truncated_texts"] == 1
    for position in (H1, H2, H3):
        assert not found[position].truncated.any()
        assert found[position].provenance["truncated_texts"] == 0


def test_states_that_are_not_finite_are_named(records: Records) -> None:
    llava = small_llava.llava()
    with torch.no_grad():
        llava.language_model.norm.weight[3] = float("inf")
    with pytest.raises(InputError, match="states of record 'r3' at h4_llm_text are not finite"):
        measure(llava, records, "none", {})
    with torch.no_grad():
        llava.connector.linear_2.bias[0] = float("nan")
    with pytest.raises(InputError, match="states of record 'r0' at h2_connector are not finite"):
        measure(llava, records, "none", {})


@pytest.mark.parametrize(("batch", "advice"), [(4, "fewer than 4 images"), (1, "device_map: auto")])
def test_a_device_without_memory_is_answered_with_what_to_do(
    records: Records, monkeypatch: pytest.MonkeyPatch, batch: int, advice: str
) -> None:
    llava = small_llava.llava()

    def full(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(llava, "read", full)
    with pytest.raises(InputError, match=f"'small': the device's memory runs out; .*{advice}"):
        measure(llava, records, "none", {}, batch=batch)


def test_what_cannot_be_measured_is_said(llava: Llava, records: Records, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image operation 'mirrored'; use none, rotated, rev"):
        measure(llava, records, "mirrored", {})
    gone = {**records[0], "image": str(tmp_path / "gone.png")}
    with pytest.raises(InputError, match=r"gone\.png"):
        measure(llava, [gone], "none", {})


def test_an_image_exchanged_after_the_texts_were_read_is_refused(
    llava: Llava, base: dict[str, Spectra], tmp_path: Path
) -> None:
    """A record with the hash of its image's file is measured as one without."""
    records = [
        {**record, "image_sha256": hashlib.sha256(Path(record["image"]).read_bytes()).hexdigest()}
        for record in small_llava.records(tmp_path)
    ]
    assert_same(measure(llava, records, "none", {}), base)
    Path(records[2]["image"]).write_bytes(Path(records[1]["image"]).read_bytes())
    with pytest.raises(InputError, match=r"^\S+/2\.png is not the image that was read with the t"):
        measure(llava, records, "none", {})
