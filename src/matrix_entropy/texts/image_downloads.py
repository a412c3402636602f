"""Fetch the images that records name, one by one, where a whole archive would be far larger."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import naming_a_full_disk, working_beside
from matrix_entropy.running.console import progress
from matrix_entropy.sources.downloads import OutOfReach, Refused, receive

log = logging.getLogger("matrix_entropy")

AT_A_TIME = 8  # about as many as a browser asks a server for
ATTEMPTS = 5
MOST_REFUSED = 20  # after so many that are needed no more are asked for


def missing_images(names: Iterable[str], folder: Path) -> list[str]:
    """Names of images that are not in a folder, each once."""
    # Unlike that of Path, this isfile knows that no file has a name too long for the disk.
    return [name for name in dict.fromkeys(names) if not os.path.isfile(folder / name)]


def fetch_images(
    address: str, names: Iterable[str], folder: Path, name: str, leave_out: bool = False
) -> None:
    """Fetch the images that are not in a folder, each from its name behind an address.

    An image appears in the folder whole and under its name, so that a run that was killed is gone
    on with where it was. What is there already is left as it is.

    Parameters
    ----------
    name : str
        What to call the data set in messages.
    leave_out : bool
        Go on without images that the address does not give.

    Raises
    ------
    InputError
        If the address cannot be reached, or does not give an image that is needed.
    """
    wanted = missing_images(names, folder)
    refused: dict[str, str] = {}
    if not wanted:
        return
    log.info("%s: fetching %d images into %s from %s", name, len(wanted), folder, address)
    with working_beside(folder.resolve()) as part:
        workers = ThreadPoolExecutor(AT_A_TIME)
        jobs = {
            workers.submit(_fetch, address, image, folder, part / str(number)): image
            for number, image in enumerate(wanted)
        }
        try:
            with progress(len(wanted), "image", name) as bar:
                for job in as_completed(jobs):
                    try:
                        job.result()
                    except Refused as error:
                        refused[jobs[job]] = str(error)
                    bar.update()
                    if len(refused) == MOST_REFUSED and not leave_out:
                        break
        except OutOfReach as error:
            raise InputError(
                f"{name}: {address} cannot be reached ({error}); run again with a network "
                f"({len(wanted) - len(missing_images(wanted, folder))} of {len(wanted)} images are "
                f"fetched and stay), or put the images into {folder.absolute()} by hand."
            ) from None
        finally:
            workers.shutdown(cancel_futures=True)
    if refused and not leave_out:
        image, said = next(iter(refused.items()))
        raise InputError(
            f"{name}: {address} does not give {len(refused)} of its images, {image} for one "
            f"({said}); correct `images_url:`, put them into {folder.absolute()}, or set "
            "`missing_images: leave_out` in the data set to go on without these records."
        )


def _fetch(address: str, image: str, folder: Path, part: Path) -> None:
    """One image, which has another name until it is whole and known to be one."""
    with naming_a_full_disk(folder / image):
        receive(f"{address.rstrip('/')}/{quote(image)}", part, ATTEMPTS)
        try:
            # By its first bytes: all of it is read with the texts.
            Image.open(part).close()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            raise Refused("what it sends is no image") from None
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, folder / image)
