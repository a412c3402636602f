"""Jobs run by copies of a process: told apart from jobs of their own by nothing but their speed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from matrix_entropy.running import asking, processors, workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="copies are made on Linux only")

FIRST = "from matrix_entropy.running import start\n"
# Who does the work, and what was imported before it began.
WHO = FIRST + "import json, os, sys\nprint(json.dumps([os.getppid(), sorted(sys.modules)]))\n"
# Some that are rarely used, so that nothing else has imported them.
IMPORTS = WHO + "import wave, matrix_entropy.texts.synthetic.seeded_choices\n"
# Seconds; it only ends what hangs.
PATIENCE = 600
SLEEPS = FIRST + "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(3600)\n"


class Place:
    """A folder with scripts, and a process that forks copies for them."""

    def __init__(self, root: Path, folder: Path, server: subprocess.Popen[bytes], path: str):
        self.folder, self.server, self.socket = folder, server, Path(path)
        self.alone = os.environ | processors.variables(1)
        self.asking = self.alone | {asking.SOCKET: path}

    def command(self, code: str, name: str = "script.py") -> list[str]:
        script = self.folder / name
        script.write_text(code)
        return [sys.executable, str(script)]

    def run(
        self,
        code: str,
        environment: dict[str, str],
        python: str = sys.executable,
        name: str = "script.py",
    ) -> subprocess.CompletedProcess[str]:
        command = [python, *self.command(code, name)[1:]]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )

    def begin(self, code: str) -> tuple[subprocess.Popen[str], int]:
        """A script that goes on, in a process group of its own, and the copy's process id."""
        job = subprocess.Popen(
            self.command(code),
            env=self.asking,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        assert job.stdout is not None
        copy = int(job.stdout.readline())
        assert copy != job.pid
        return job, copy


@pytest.fixture
def place(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(workers, "GPUS", ())
    monkeypatch.delenv(asking.SOCKET, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(root / "src"))
    workers.begin()
    server, path = workers._begun.pop(), os.environ.pop(asking.SOCKET)
    yield Place(root, tmp_path, server, path)
    end(server)


def end(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin is not None
    server.stdin.close()
    assert server.wait(timeout=PATIENCE) == 0


def ended(process: int) -> bool:
    """Whether a process ends; one that does not is given up after minutes."""
    for _ in range(12_000):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "code",
    [
        "print('out'); print('err', file=sys.stderr); print(sys.argv[1:], __name__)",
        "os.write(1, b'first\\n'); print('second'); print(sys.stdin.read())",
        "import atexit; atexit.register(print, 'last'); sys.exit(3)",
        "sys.exit('words')",
        "def inner():\n    {}['key']\ntry:\n    inner()\nexcept KeyError:\n    int('four')",
        "import threading; threading.Timer(0.2, print, ['from a thread']).start()",
        "import no_such_module",
        "syntax error",
        "os.kill(os.getpid(), 11)",
        "raise KeyboardInterrupt",
    ],
)
def test_a_copy_says_and_returns_what_the_script_itself_would(place: Place, code: str) -> None:
    code = f"{FIRST}import os, sys\n{code}\n"
    mine, copied = place.run(code, place.alone), place.run(code, place.asking)
    assert (copied.stdout, copied.stderr) == (mine.stdout, mine.stderr)
    assert copied.returncode == (mine.returncode if mine.returncode >= 0 else 128 - mine.returncode)


def test_what_a_job_has_imported_is_there_for_the_next(place: Place) -> None:
    told = [json.loads(place.run(IMPORTS, place.asking).stdout) for _ in range(3)]
    assert [parent for parent, _ in told] == [place.server.pid] * 3
    assert ["wave" in modules for _, modules in told] == [False, True, True]
    # The library's own modules never are.
    own = "matrix_entropy.texts.synthetic.seeded_choices"
    assert not any(own in modules for _, modules in told)


def test_a_job_gets_what_others_have_imported_only_of_libraries_that_it_names(
    place: Place,
) -> None:
    place.run(IMPORTS, place.asking)
    without = json.loads(place.run(WHO, place.asking, name="another.py").stdout)[1]
    with_it = json.loads(place.run(WHO + "import wave\n", place.asking, name="third.py").stdout)[1]
    assert "wave" not in without
    assert "wave" in with_it


def test_what_several_jobs_of_a_run_need_is_there_for_the_first(
    place: Place, tmp_path: Path
) -> None:
    scripts = []
    for name, imports in {"one": "wave, colorsys", "two": "wave", "three": "json"}.items():
        scripts.append(tmp_path / f"{name}.py")
        scripts[-1].write_text(f"import {imports}\nfrom matrix_entropy.base import files\n")
    shared = workers.shared_libraries(scripts)
    assert "wave" in shared
    assert "colorsys" not in shared
    assert "contextlib" in shared, "of a module of this library"
    assert workers.shared_libraries(scripts[:1]) == set()
    known = workers.Libraries(shared)
    assert "wave" in known.needed("one", scripts[0])
    assert "wave" not in known.needed("three", scripts[2])
    known.report("two", ["wave", "chunk"])
    assert known.needed("two", scripts[1]) == ["wave", "chunk"]
    assert known.needed("gone", tmp_path / "gone.py") == []


@pytest.mark.parametrize("name", ["python", "python3"])
def test_shell_commands_and_scripts_call_python_by_different_names(place: Place, name: str) -> None:
    told = json.loads(place.run(WHO, place.asking, f"{sys.prefix}/bin/{name}").stdout)
    assert told[0] == place.server.pid


@pytest.mark.parametrize("change", [{"OMP_NUM_THREADS": "2"}, {"HF_HUB_CACHE": "/elsewhere"}])
def test_other_conditions_are_for_a_process_of_its_own(
    place: Place, change: dict[str, str]
) -> None:
    if "OMP_NUM_THREADS" in change and processors.usable() < 2:
        pytest.skip("a job has one thread at most here")
    assert json.loads(place.run(WHO, place.asking | change).stdout)[0] == os.getpid()


def test_what_a_run_tells_its_jobs_parts_none_from_the_process(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may serve several runs, as that of the tests does, which tell jobs other things."""
    rules = [path.read_text() for path in (root / "workflow" / "rules").rglob("*.smk")]
    told = [name for text in rules for name in re.findall(r'envvars:\n +"(\w+)"', text)]
    before = asking.conditions()
    for name in told:
        monkeypatch.setenv(name, "another run's")
    assert told
    assert asking.conditions() == before


def test_a_copy_is_in_the_folder_of_its_job(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = place.run(FIRST + "import os; print(os.getppid(), os.getcwd())", place.asking).stdout
    assert told == f"{place.server.pid} {tmp_path}\n"


def test_a_folder_for_temporary_files_is_the_jobs(place: Place, tmp_path: Path) -> None:
    code = FIRST + "import tempfile; print(tempfile.gettempdir())"
    for name in ["one", "two"]:
        folder = tmp_path / name
        folder.mkdir()
        assert place.run(code, place.asking | {"TMPDIR": str(folder)}).stdout == f"{folder}\n"


def test_without_the_process_a_job_goes_on_by_itself(place: Place) -> None:
    end(place.server)
    assert not place.socket.parent.exists()
    for environment in (place.asking, place.asking | {asking.SOCKET: ""}):
        assert json.loads(place.run(WHO, environment).stdout)[0] == os.getpid()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_copy_ends_when_its_scripts_own_process_does(
    place: Place, number: signal.Signals
) -> None:
    job, copy = place.begin(SLEEPS)
    job.send_signal(number)
    assert job.wait(timeout=PATIENCE) == -number
    job.communicate()
    assert ended(copy)
    # The next one is served.
    assert json.loads(place.run(WHO, place.asking).stdout)[0] == place.server.pid


def test_a_copy_is_interrupted_once_and_may_clear_up(place: Place) -> None:
    code = f"{FIRST}import os, signal, time\n"
    # Where the tests run in the background, a shell has interrupts ignored.
    code += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "try:\n    print(os.getpid(), flush=True)\n"
    code += "    time.sleep(3600)\nfinally:\n    print('cleared')\n"
    job, _ = place.begin(code)
    os.killpg(job.pid, signal.SIGINT)
    out, err = job.communicate(timeout=PATIENCE)
    assert job.returncode == 128 + signal.SIGINT
    assert out == "cleared\n"
    assert err.count("KeyboardInterrupt") == 1


@pytest.mark.parametrize("way", ["closed", "killed"])
def test_all_copies_end_with_the_process(place: Place, way: str) -> None:
    job, copy = place.begin(SLEEPS)
    if way == "closed":
        end(place.server)
    else:
        place.server.kill()
        place.server.wait()
    assert ended(copy)
    assert "this job's worker was ended" in job.communicate(timeout=PATIENCE)[1]
    assert job.returncode == 1
    if way == "killed":  # what the test's end expects
        shutil.rmtree(place.socket.parent)
        place.server.returncode = 0


def test_no_process_is_begun_with_a_gpu_a_long_path_or_within_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(asking.SOCKET, raising=False)
    monkeypatch.setattr(workers, "_begun", [])
    monkeypatch.setattr(workers, "GPUS", (str(tmp_path),))
    workers.begin()
    assert asking.SOCKET not in os.environ
    monkeypatch.setattr(workers, "GPUS", ())
    deep = tmp_path / ("long" * 30)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    workers.begin()
    assert asking.SOCKET not in os.environ
    assert list(deep.iterdir()) == []
    monkeypatch.setenv(asking.SOCKET, "")
    workers.begin()
    assert workers._begun == []


MAKES = """
from pathlib import Path
import sys
import pandas as pd
from matrix_entropy.figures.style import save_figure
from matrix_entropy.texts.synthetic.grammar import stories
from matrix_entropy.models.stand_ins import train_stand_in, train_tokenizer
import matplotlib.pyplot as plt
import torch

torch.set_num_threads(1)
folder = Path("FOLDER")
texts = [story["text"] for story in stories(60)]
train = {"architecture": "gpt_neox", "corpus": "stories", "heads": 2, "vocabulary": 400,
         "context": 64, "block": 32, "batch": 2, "steps": 20, "learning_rate": 0.01, "seed": 3}
options = {"layers": 2, "width": 16, "train": train}
train_stand_in("small", options, texts, train_tokenizer(texts, 400), folder / "model")
curve = pd.read_csv(folder / "model" / "loss.csv")
figure, axes = plt.subplots()
axes.plot(curve["held_out_loss"])
save_figure(figure, curve, [folder / f"curve.{end}" for end in ("pdf", "png", "csv")])
"""


def test_results_are_the_same_bytes(place: Place) -> None:
    """Also of the third copy, which has all libraries from the process that it was forked from."""
    made = []
    for number, environment in enumerate([place.alone, *[place.asking] * 3]):
        folder = place.folder / str(number)
        done = place.run(FIRST + MAKES.replace("FOLDER", str(folder)), environment)
        assert done.returncode == 0, done.stderr
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        made.append({path.relative_to(folder): path.read_bytes() for path in files})
    assert {path.name for path in made[0]} >= {"model.safetensors", "curve.pdf", "curve.png"}
    assert all(one == made[0] for one in made[1:])


SNAKEFILE = """
from matrix_entropy.running import processors, workers

onstart:
    workers.begin()

rule all:
    input: expand("{number}.txt", number=range(4))

rule one:
    output: "{number}.txt"
    script: "script.py"
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def run_snakemake(
    root: Path, tmp_path: Path, temporary: Path
) -> Callable[[str], subprocess.Popen[str]]:
    def begin(code: str) -> subprocess.Popen[str]:
        (tmp_path / "Snakefile").write_text(SNAKEFILE)
        (tmp_path / "script.py").write_text(code)
        here = {"PYTHONPATH": str(root / "src"), "TMPDIR": str(temporary)}
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "rules", "progress"],
            cwd=tmp_path,
            env=os.environ | here,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return begin


def test_a_run_of_snakemake_leaves_nothing_behind(
    run_snakemake: Callable[[str], subprocess.Popen[str]], tmp_path: Path, temporary: Path
) -> None:
    run = run_snakemake(
        FIRST
        + "import os, sys\nprint(os.getppid(), sys.argv[0], file=open(snakemake.output[0], 'w'))"
    )
    said, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, said
    servers = {path.read_text().split()[0] for path in tmp_path.glob("[0-3].txt")}
    assert len(servers) == 1
    assert ended(int(servers.pop()))
    assert list(temporary.glob("matrix_entropy_*")) == []


def test_killing_snakemake_leaves_no_process_behind(
    run_snakemake: Callable[[str], subprocess.Popen[str]], tmp_path: Path, temporary: Path
) -> None:
    run = run_snakemake(
        FIRST
        + "import os, time\nprint(os.getppid(), os.getpid(), file=open('who', 'w'), flush=True)\n"
        + "time.sleep(3600)"
    )
    who = tmp_path / "who"
    for _ in range(12_000):
        if who.exists() and who.read_text():
            break
        time.sleep(0.05)
    run.kill()
    run.communicate(timeout=PATIENCE)
    assert all(ended(int(process)) for process in who.read_text().split())
    assert list(temporary.glob("matrix_entropy_*")) == []
