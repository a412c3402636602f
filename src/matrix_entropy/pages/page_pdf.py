"""A page as PDF, by the browser or the LaTeX that happens to be installed."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LATEX = ("lualatex", "xelatex")  # these two read the page's letters as they are
PATIENCE = 300  # seconds
# A browser stamps the time of printing. Another one of the same length, and no place in the file
# moves; LaTeX takes the time from the environment. So a rebuild gives the same bytes.
STAMP = re.compile(rb"(?<=Date \(D:)\d{14}(?=[^)]{0,8}\))")
NO_TIME = {"TZ": "UTC", "SOURCE_DATE_EPOCH": "946684800", "FORCE_SOURCE_DATE": "1"}
# A file's address would be that of this machine.
LOCAL_LINK = re.compile(r' href="(?!https?:|#|mailto:)[^"]*"')
# Pandoc knows no style sheet that hides what is for the screen, and takes sizes for final.
FOR_SCREENS = re.compile(
    r'<(details|nav|title|style)\b.*?</\1>|<a class="skip".*?</a>| (?:width|height)="\d+"',
    re.DOTALL,
)

MISSING = (
    "neither Chromium nor Chrome is installed, nor pandoc with LuaLaTeX or XeLaTeX; install one, "
    "or print the page from a browser."
)

logger = logging.getLogger("matrix_entropy.pages.page_pdf")


def write_pdf(page: str | Path, pdf: str | Path) -> bool:
    """Print an HTML page of `pages.writing`; gives whether there is a program to do it.

    Headless Chromium or Chrome if one is installed, else pandoc with LuaLaTeX or XeLaTeX. Without
    any of them the log says so and nothing is written. Links to other files are left out.

    Raises
    ------
    InputError
        If there is no such page, or the program that prints it fails.
    """
    page, pdf = Path(page), Path(pdf)
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"the page {page} does not exist; build it first.") from None
    with tempfile.TemporaryDirectory() as folder:
        source, printed = Path(folder, "page.html"), Path(folder, "page.pdf")
        command = _command(source, printed, folder)
        if command is None:
            logger.warning("no PDF of %s: %s", page, MISSING)
            return False
        text = LOCAL_LINK.sub("", text)
        if "--from=html" in command:
            text = FOR_SCREENS.sub("", text)
        source.write_text(text, encoding="utf-8")
        _run(command, page, printed)
        content = STAMP.sub(b"20000101000000", printed.read_bytes())
    with writing(pdf) as temporary:
        temporary.write_bytes(content)
    return True


def _command(source: Path, printed: Path, folder: str) -> list[str] | None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser:
        return [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            # It is given one local file and has no business elsewhere.
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--disable-quic", "--disable-dev-shm-usage", f"--user-data-dir={folder}/profile"),
            *("--no-pdf-header-footer", f"--print-to-pdf={printed}", source.as_uri()),
        ]
    engine = next((name for name in LATEX if shutil.which(name)), None)
    pandoc = shutil.which("pandoc")
    if pandoc and engine:
        return [
            *(pandoc, "--from=html", f"--pdf-engine={engine}", f"--output={printed}"),
            *("--variable=geometry:margin=20mm", "--variable=papersize=a4", str(source)),
        ]
    return None


def _run(command: list[str], page: Path, printed: Path) -> None:
    program = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            env={**os.environ, **NO_TIME},
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{program} did not print {page} in {PATIENCE} seconds; print it from a browser."
        ) from None
    if done.returncode or not printed.is_file():
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise InputError(
            f"{program} could not print {page} ({lines[-1]}); print it from a browser."
        )
