"""What the disk alone allows: files of an object's size, written and synced, with no network."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter


def sync_rate(folder: Path, content: bytes, writers: int, files: int) -> float:
    """Files per second, by `writers` threads at once, into the new `folder`.

    They stay: after files were deleted ext4 makes new ones more slowly for half a minute.
    """
    folder.mkdir(parents=True)
    paths = [folder / f"{number}" for number in range(files)]
    os.sync()
    started = perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        for _ in pool.map(lambda path: _write(path, content), paths):
            pass
    seconds = perf_counter() - started
    return files / seconds


def _write(path: Path, content: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        file.write(content)
        os.fsync(file.fileno())
