"""The information gains of a data set: one small file, kept for good, that has every prefix in it.

A text's first T tokens are the same to a causal model as a text that ends there, so the gain of all
lengths comes from one run over the whole text. All texts of a file are cut to the same number of
tokens, and those that have fewer are counted: a mean over texts is of the same texts at every T.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.information_gain import cholesky_diagonal, kernel_matrix
from matrix_entropy.models.provenance import check_kept, joined_provenance
from matrix_entropy.results.npz_files import load_npz, save_npz, within
from matrix_entropy.results.state_files import Layer, open_folder, open_states

# How far below one rounding takes a diagonal, with a margin.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Gains:
    """Cholesky diagonals of N texts, cut to T tokens each, and what they belong to.

    `maths.information_gain` has what they mean and all that comes of them.
    """

    diagonals: NDArray[np.float64]  # (N, T)
    ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    left_out: int  # texts with fewer than T tokens
    longest: int  # tokens of the longest of these
    longest_id: str
    known_groups: tuple[str, ...]  # of all texts at hand, chosen or not
    group: str  # the one chosen; empty for all
    width: int
    noise: float
    kernel: str
    layer: str
    provenance: dict[str, Any]

    @property
    def tokens(self) -> int:
        """T, to which all texts are cut."""
        return int(self.diagonals.shape[1])

    def save(self, path: str | Path) -> None:
        """Write everything into one file."""
        save_npz(path, vars(self))

    @staticmethod
    def load(path: str | Path) -> Gains:
        """Read a file that `save` wrote; `InputError` if it is damaged."""
        return load_npz(Gains, path)

    def fault(self) -> str | None:
        """What cannot be in gains."""
        texts = len(self.ids)
        if self.diagonals.ndim != 2 or not len(self.diagonals) == len(self.groups) == texts:
            return f"its diagonals and groups are not those of {texts} texts"
        if not within(self.diagonals, 1 - ROUNDING):
            return "a diagonal is below one or no number"
        numbers = np.array([self.left_out, self.longest, self.width, self.noise])
        if not within(numbers, 0) or not self.width or not self.noise:
            return "one of its numbers is none or negative"
        return None


def compute_gains(
    folder: Path,
    layer: Layer,
    tokens: int,
    noise: float,
    kernel: str,
    group: str | None = None,
    threads: int = 1,
) -> Gains:
    """Cholesky diagonals of all texts in a folder of hidden states, at one layer.

    Parameters
    ----------
    folder : Path
        As `states.hidden_states.dump_hidden_states` writes it.
    layer : int or str
        Layer to read.
    tokens : int
        T: longer texts are cut to it, shorter ones are left out and counted.
    noise : float
        σ, the standard deviation of the noise.
    kernel : str
        One of `maths.information_gain.KERNELS`.
    group : str, optional
        Take the texts of this group only.
    threads : int
        Texts worked on at a time, each by one thread.

    Raises
    ------
    InputError
        If a file is missing, cut short, or does not fit the tokens beside it, or if the layer was
        not kept; see also `cholesky_diagonal`, `kernel_matrix` and, unless the folder holds a part
        of a data set only, `gathered_gains`.
    """
    provenance, stored = open_folder(folder)
    ids, groups, offsets = (stored[name] for name in ("ids", "groups", "offsets"))
    check_kept(provenance, layer, provenance.get("layers", [layer]))
    states = open_states(folder, layer, int(offsets[-1]))
    lengths = np.diff(offsets)
    chosen = np.ones(len(ids), dtype=bool) if group is None else groups == group
    kept = np.flatnonzero(chosen & (lengths >= tokens))
    short = np.flatnonzero(chosen & (lengths < tokens))
    longest = short[np.argmax(lengths[short])] if len(short) else None

    def of_text(text: int) -> NDArray[np.float64]:
        try:
            rows = states[offsets[text] : offsets[text] + tokens]
            return cholesky_diagonal(kernel_matrix(rows, kernel), noise)
        except InputError as error:
            raise InputError(f"{folder}, text '{ids[text]}': {error}") from None

    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        diagonals = list(pool.map(of_text, kept))
    gains = Gains(
        diagonals=np.array(diagonals).reshape(len(kept), tokens),
        ids=ids[kept],
        groups=groups[kept],
        left_out=len(short),
        longest=0 if longest is None else int(lengths[longest]),
        longest_id="" if longest is None else str(ids[longest]),
        known_groups=tuple(map(str, dict.fromkeys(groups))),
        group=group or "",
        width=states.shape[1],
        noise=float(noise),
        kernel=kernel,
        layer=str(layer),
        provenance=provenance,
    )
    # What a part lacks the others may have; a whole data set is better stopped before its hidden
    # states are deleted.
    return gathered_gains([gains]) if provenance["shard"] == [1, 1] else gains


def gathered_gains(parts: Sequence[Gains]) -> Gains:
    """The gains of a model on a data set from those of its shards, in their order.

    Raises
    ------
    InputError
        If a shard is missing, the parts come from different models, texts or options, there is no
        text of the group, or all texts are too short.
    """
    first = parts[0]
    name = _name(first)
    provenance = joined_provenance(
        [part.provenance for part in parts],
        name,
        "information gains",
        [
            (part.tokens, part.group, part.width, part.noise, part.kernel, part.layer)
            for part in parts
        ],
    )
    known = tuple(dict.fromkeys(group for part in parts for group in part.known_groups))
    if first.group and first.group not in known:
        raise InputError(
            f"{name} has no group '{first.group}'; set `group:` to one of {', '.join(known)}."
        )
    longest = max(parts, key=lambda part: part.longest)
    joined = {
        key: np.concatenate([getattr(part, key) for part in parts])
        for key in ("diagonals", "ids", "groups")
    }
    if not len(joined["ids"]):
        raise InputError(
            f"{name}: no text has {first.tokens} tokens, the longest, '{longest.longest_id}', has "
            f"{longest.longest}; lower `tokens:`."
        )
    return Gains(
        **joined,
        left_out=sum(part.left_out for part in parts),
        longest=longest.longest,
        longest_id=longest.longest_id,
        known_groups=known,
        group=first.group,
        width=first.width,
        noise=first.noise,
        kernel=first.kernel,
        layer=first.layer,
        provenance=provenance,
    )


def _name(gains: Gains) -> str:
    record, texts = gains.provenance["model"], gains.provenance["dataset"]
    return f"{record['model']} on {texts['name']}"
