"""Pages as PDF: which program is asked, what it is given, and what is said without any."""

import logging
import stat
from pathlib import Path

import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.pages.page_pdf import write_pdf

PAGE = '<a href="../../figures/a.pdf">a</a> <a href="#b">b</a> <a href="https://c.org">c</a>'
# Stands for a browser: keeps the page it is given, and stamps its output with a time.
BROWSER = """#!/bin/sh
for word; do
  case $word in
    --print-to-pdf=*) out=${word#--print-to-pdf=} ;;
    file://*) /bin/cp "${word#file://}" "$SEEN" ;;
  esac
done
/usr/bin/printf '%s' "$STAMPED" > "$out"
"""
PANDOC = """#!/bin/sh
for word; do
  case $word in
    --output=*) out=${word#--output=} ;;
  esac
done
/usr/bin/printf '%s' "$*" > "$out"
/bin/cat "$word" >> "$out"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    (tmp_path / "page.html").write_text(PAGE, encoding="utf-8")
    return folder


def install(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(script)
    (programs / name).chmod(stat.S_IRWXU)


def test_a_browser_prints_without_links_to_this_machine_and_without_a_time(
    programs, tmp_path, monkeypatch
):
    install(programs, "chromium", BROWSER)
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.html"))
    monkeypatch.setenv("STAMPED", "/CreationDate (D:20261120093000+00'00') /Other (D:2)")
    assert write_pdf(tmp_path / "page.html", tmp_path / "page.pdf")
    seen = (tmp_path / "seen.html").read_text(encoding="utf-8")
    assert seen == '<a>a</a> <a href="#b">b</a> <a href="https://c.org">c</a>'
    # Of the same length, so that no place in the file moves.
    stamped = (tmp_path / "page.pdf").read_bytes()
    assert stamped == b"/CreationDate (D:20000101000000+00'00') /Other (D:2)"


def test_pandoc_and_latex_take_the_place_of_a_browser(programs, tmp_path, caplog):
    install(programs, "pandoc", PANDOC)
    with caplog.at_level(logging.WARNING):
        assert not write_pdf(tmp_path / "page.html", tmp_path / "page.pdf")
    install(programs, "xelatex", "")
    page = '<nav>n</nav><details>d</details><h1>T</h1><img width="5" height="6" alt="width">'
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    assert write_pdf(tmp_path / "page.html", tmp_path / "page.pdf")
    given = (tmp_path / "page.pdf").read_text()
    assert "--pdf-engine=xelatex" in given
    assert given.endswith('<h1>T</h1><img alt="width">')


def test_without_a_program_the_log_says_so_and_there_is_no_file(programs, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert not write_pdf(tmp_path / "page.html", tmp_path / "page.pdf")
    assert not (tmp_path / "page.pdf").exists()
    (record,) = caplog.records
    assert "neither Chromium nor Chrome is installed" in record.getMessage()


def test_a_program_that_fails_and_a_missing_page_are_one_sentence(programs, tmp_path):
    install(programs, "chromium", "#!/bin/sh\necho no display >&2\nexit 1\n")
    with pytest.raises(InputError, match=r"chromium could not print .*page\.html \(no display\)"):
        write_pdf(tmp_path / "page.html", tmp_path / "page.pdf")
    install(programs, "chromium", "#!/bin/sh\n")
    with pytest.raises(InputError, match="it said nothing"):
        write_pdf(tmp_path / "page.html", tmp_path / "page.pdf")
    with pytest.raises(InputError, match=r"none\.html does not exist"):
        write_pdf(tmp_path / "none.html", tmp_path / "page.pdf")
