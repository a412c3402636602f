"""Fonts for what a figure says: one for all, and others of this machine for what it lacks."""

from __future__ import annotations

import contextlib
import functools
import logging
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping

from matplotlib.font_manager import FontEntry, findfont, findSystemFonts, fontManager
from matplotlib.ft2font import FT2Font, LoadFlags

log = logging.getLogger("matrix_entropy")

FAMILY = "DejaVu Sans"
# Boxes for every character, and the letters of formulas at places of their own.
NO_SCRIPT = ("Last Resort", "cm", "STIX")
SHOWN = 8  # characters in a message
# What says how its neighbours are drawn, and is not drawn itself.
UNDRAWN = ("Cc", "Cf", "Zl", "Zp", "Zs")
SELECTORS = range(0xFE00, 0xFE10)

Covers = Callable[[str], bool]


def families_for(words: str) -> list[str]:
    """Families that draw all characters of some words: `FAMILY`, and others where it lacks some.

    The others are those of this machine, as matplotlib and fontconfig find them. Characters that
    none of them has are told in the log; matplotlib draws boxes for them.
    """
    fonts = _known()
    missing = {c for c in words if _is_drawn(c) and not fonts[FAMILY](c)}
    chosen, left = chosen_families(missing, fonts)
    if left and _find_more():
        chosen, left = chosen_families(missing, _known())
    if left:
        some = ", ".join(f"{c} (U+{ord(c):04X})" for c in sorted(left)[:SHOWN])
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        log.warning(
            "no font of this machine has %s%s, which are drawn as boxes; install one that has, "
            "such as a Noto Sans of the script, and draw the figure again.",
            some,
            more,
        )
    return [FAMILY, *chosen]


def chosen_families(
    missing: Collection[str], fonts: Mapping[str, Covers]
) -> tuple[list[str], set[str]]:
    """Families that have the missing characters, and the characters that none has.

    The one that has most of them comes first, of equal ones a sans serif, then the first by name:
    the same fonts always give the same choice.

    Examples
    --------
    >>> fonts = {"A Serif": "xy".__contains__, "B Sans": "xy".__contains__, "C": "z".__contains__}
    >>> chosen_families("xz!", fonts)
    (['B Sans', 'C'], {'!'})
    """
    chosen, left = [], set(missing)
    while left:
        has = {name: {c for c in left if covers(c)} for name, covers in fonts.items()}
        best = min(has, key=lambda name: (-len(has[name]), "Sans" not in name, name), default=None)
        if best is None or not has[best]:
            break
        chosen.append(best)
        left -= has[best]
    return chosen, left


def width_of(text: str, size: float) -> float:
    """About how wide a text in letters of a size is, both in points.

    Examples
    --------
    >>> round(width_of("Width", 10)), round(width_of("\u4e2d\u6587", 10))
    (29, 20)
    """
    return size * sum(map(_advance, text))


@functools.cache
def _advance(character: str) -> float:
    """What a character takes of a line, in units of the size."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    font = FT2Font(findfont(FAMILY))
    if not font.get_char_index(ord(character)):
        return 0.7
    glyph = font.load_char(ord(character), flags=LoadFlags.NO_SCALE | LoadFlags.NO_HINTING)
    return float(glyph.horiAdvance / font.units_per_EM)


def _is_drawn(character: str) -> bool:
    return unicodedata.category(character) not in UNDRAWN and ord(character) not in SELECTORS


def _known() -> dict[str, Covers]:
    """What each family that matplotlib knows can draw."""
    return {entry.name: _covers(entry.fname, entry.index) for entry in _regular()}


def _regular() -> Iterator[FontEntry]:
    """The upright font of middle weight of every family that matplotlib knows."""
    families: dict[str, list[FontEntry]] = {}
    for entry in fontManager.ttflist:
        if not entry.name.startswith(NO_SCRIPT):
            families.setdefault(entry.name, []).append(entry)
    for entries in families.values():
        yield min(entries, key=lambda e: (e.style != "normal", str(e.weight) != "400", e.fname))


@functools.cache
def _covers(path: str, face: int) -> Covers:
    """Whether a font can draw a character; it is opened when it is first asked."""

    @functools.cache
    def font() -> FT2Font | None:
        try:
            opened = FT2Font(path, face_index=face)
        except (OSError, RuntimeError):
            return None
        return opened if opened.scalable else None  # pictures of one size cannot be drawn

    def covers(character: str) -> bool:
        found = font()
        return found is not None and found.get_char_index(ord(character)) != 0

    return covers


def _find_more() -> bool:
    """Let matplotlib know fonts that were installed since it last looked; whether there are any."""
    known = {entry.fname for entry in fontManager.ttflist}
    new = [path for path in findSystemFonts() if path not in known]
    for path in new:
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            fontManager.addfont(path)
    return bool(new)
