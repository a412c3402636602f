"""Measure a model on texts: the numbers of the workflow, without Snakemake and its files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matrix_entropy.api.wording import needing_models, plain_errors

if TYPE_CHECKING:
    import pandas as pd


def measure(
    model: Any,
    texts: str | Path | Iterable[str | Path],
    *,
    layers: str | Sequence[int | str] = "all",
    tokenizer: Any = None,
    max_tokens: int | None = None,
    min_tokens: int = 0,
    metrics: str | Sequence[str] = "all",
    measures: str | Sequence[str] = (),
    controls: Sequence[str] = (),
    losses: bool = True,
    bos: bool = False,
    center_features: bool = False,
    spectra_precision: str = "double",
    dtype: Any = None,
    device: Any = None,
    batch_tokens: int | None = None,
    revision: str | None = None,
    convert_weights: bool = False,
    field: str = "text",
    group_field: str | None = None,
    skip_empty: bool = False,
    streams: str | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Matrix entropy and what else follows from the spectra of a model's hidden states on texts.

    Spectra are computed while the model runs; no hidden state is kept or written. The numbers are
    those of ``results/metrics/MODEL/DATASET.parquet`` of the workflow.

    Parameters
    ----------
    model : str, Path or transformers.PreTrainedModel
        An id of the hub, a folder, a GGUF file (also ``org/name/file.gguf`` on the hub), or a
        loaded causal language model, with its ``tokenizer``. No remote code is run.
    texts : iterable of str, path, or iterable of Path
        Texts, or a file of them: one text a line (.txt), JSON, JSON Lines, CSV or Parquet. Of
        several files each is a group.
    layers : "all" or sequence
        0 (the input of the first block), ``l`` (behind block l) and ``"final"`` (behind the last
        normalisation). A negative number counts from the end of all of these.
    max_tokens, min_tokens : int
        Texts are cut at the one, and left out below the other.
    metrics : "all" or sequence of str
        Columns to keep, of those in docs/metrics.md: "all" are those that every run has, others
        (``rankme``, ``participation_ratio``, ...) are named.
    measures : "all" or sequence of str
        Also measures of the hidden states themselves, of all rows in their order: ``curvature``
        (radians), ``anisotropy`` (a cosine), ``norm_ratio``, ``intrinsic_dimension`` and what else
        docs/metrics.md lists. "all" are those that the states alone give; those that take the
        model itself (``lens_entropy``, ``attention_to_long_rows``) are named.
    controls : sequence of str
        Measure also ``without_first_row``, ``equal_length``, ``without_long_rows``,
        ``equal_length_without_long_rows``, in columns of these names.
    losses : bool
        Also the mean loss of each text; False saves the work of the output matrix.
    bos, center_features : bool
        Put the token in front that begins texts, and count its row; subtract each row's own mean
        (both as Liang 2024 does).
    spectra_precision : str
        ``single`` finds eigenvalues in float32, which takes less time for texts of many tokens and
        moved no entropy by more than 2e-4 nats; metrics of small eigenvalues are refused.
    dtype : str or torch.dtype, optional
        In which the model computes: ``float32`` for files, its own for a loaded model.
    device : str or torch.device, optional
        By default a GPU if there is one, and all of them if the model does not fit on one;
        ``auto`` spreads the model over all.
    batch_tokens : int, optional
        Tokens in a batch, padding included; by default what suits the device.
    revision : str, optional
        Branch, tag or commit on the hub.
    convert_weights : bool
        Convert weights that the hub has as a pickle only, with a reader that runs no code.
    field, group_field : str
        Fields of a file's records: of the text, and of the group that a text belongs to.
    skip_empty : bool
        Leave empty texts out instead of refusing them.
    streams : str, optional
        ``mean`` measures the mean of a model that carries several streams per token.
    threads : int, optional
        Of this process that may compute spectra, by default as many as it may use processors.
    progress : bool
        Whether there is a bar on stderr.

    Returns
    -------
    DataFrame
        A row per layer and text: ``model``, ``id`` (position of the text; of several files
        with the file's name), ``group``, ``layer``, ``depth`` (its position), ``width``,
        ``tokens``, ``rows`` (that are counted), ``truncated``, the metrics and measures in the
        units of docs/metrics.md, and ``loss`` (nats per token). ``attrs["provenance"]`` says which
        model, texts, options and versions they are of.

    Raises
    ------
    ValueError
        If anything cannot be used; one sentence says what, and what to do.
    ImportError
        If torch or another package of ``matrix-entropy[models]`` is not installed.
    """
    asked = {name: value for name, value in locals().items() if name not in ("model", "texts")}
    with needing_models():
        from matrix_entropy.api.measured import Asked, measured

    with plain_errors():
        return measured(model, texts, Asked(**asked))
