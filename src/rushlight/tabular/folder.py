"""The folder of a fitted model: written as a whole or not at all, and read back with its version checked.

settings.json      format version, what was chosen, where the data came from
preprocess.json    how columns become inputs, and outputs classes or numbers
results.json       rows, losses and scores before and after, time
metrics.csv        one line an epoch; metrics.jsonl has the same
model.pt           the state_dict, as torch.save writes it; model.safetensors has the same
test.safetensors   row, target, output of each test row (of the training rows where none were set aside)
checkpoint.pt      only after an interruption: what --resume needs
"""

from __future__ import annotations

import os

from rushlight.tabular.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = "rushlight-tabular"
VERSION = 1
UNFINISHED = ".unfinished.pt"  # beside the folder, while training lasts


class Staging:
    """A new folder beside the wanted one, which takes its place when the block ends without an exception.

    An earlier model folder of that name is replaced; anything else of that name is refused.
    """

    def __init__(self, folder: str) -> None:
        self.folder = os.path.abspath(folder)
        self.path = f"{self.folder}.{os.getpid()}.part"

    def __enter__(self) -> str:
        refuse_foreign(self.folder)
        try:
            os.makedirs(self.path)
        except OSError as error:
            raise DataError(
                f"cannot write to {os.path.dirname(self.folder)} ({error.strerror}): choose another -o"
            ) from None
        return self.path

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if kind is not None:
            from shutil import rmtree

            rmtree(self.path, ignore_errors=True)
            if isinstance(error, OSError):
                raise DataError(
                    f"cannot write {self.folder} ({error.strerror}): make room, or choose another -o"
                ) from None
            return
        old = f"{self.folder}.{os.getpid()}.old"
        replaces = os.path.isdir(self.folder)
        if replaces:
            os.rename(self.folder, old)
        os.rename(self.path, self.folder)
        if replaces:
            from shutil import rmtree

            rmtree(old, ignore_errors=True)


class WholeFile:
    """A binary file that appears under its name when the block ends without an exception, and leaves nothing otherwise.

    What is no file, such as a pipe or /dev/null, is written to as it is.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.direct = os.path.exists(path) and not os.path.isfile(path)
        self.final = path if self.direct else os.path.realpath(path)
        self.part = path if self.direct else f"{self.final}.{os.getpid()}.part"

    def __enter__(self) -> Any:
        try:
            self.file = open(self.part, "wb")
        except OSError as error:
            raise self._refused(error) from None
        return self.file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        try:
            self.file.close()
            if kind is None and not self.direct:
                os.replace(self.part, self.final)
        except OSError as late:
            kind, error = OSError, late
        if kind is not None and not self.direct:
            os.unlink(self.part)
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> DataError:
        return DataError(f"cannot write {self.path} ({error.strerror}): make room, or choose another -o")


def refuse_foreign(folder: str) -> None:
    """Only a model folder, or an empty one, may be replaced."""
    if not os.path.lexists(folder):
        return
    if not os.path.isdir(folder):
        raise DataError(f"{folder} is a file: choose another -o")
    if os.listdir(folder) and not os.path.exists(os.path.join(folder, "settings.json")):
        raise DataError(f"{folder} exists and holds something else than a model: choose another -o")


def refuse_unwritable(folder: str) -> None:
    """Finds out before training whether the folder can be written after it."""
    refuse_foreign(os.path.abspath(folder))
    parent = os.path.dirname(os.path.abspath(folder))
    while not os.path.exists(parent):
        parent = os.path.dirname(parent)
    probe = os.path.join(parent, f".rushlight.{os.getpid()}")
    try:
        os.mkdir(probe)
        os.rmdir(probe)
    except OSError as error:
        raise DataError(f"cannot write to {parent} ({error.strerror}): choose another -o") from None


def write_json(path: str, value: Any) -> None:
    import json

    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.write("\n")


def read_json(folder: str, name: str) -> Any:
    import json

    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise DataError(f"{folder} is not a folder that `rushlight fit` wrote ({name}: {error.strerror})") from None
    except ValueError:
        raise DataError(
            f"{os.path.join(folder, name)} is damaged: fit again, or restore the folder from a copy"
        ) from None


def read_settings(folder: str) -> dict[str, Any]:
    """settings.json, if this version can read the folder."""
    saved = read_json(folder, "settings.json")
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise DataError(f"{folder} is not a folder that `rushlight fit` wrote: its settings.json is another program's")
    refuse_version(folder, saved.get("version"))
    return saved


def refuse_version(what: str, version: Any) -> None:
    if version != VERSION:
        raise DataError(
            f"{what} has format version {version}, this rushlight reads {VERSION}: fit again, or install the other"
        )


def write_metrics(folder: str, history: list[dict[str, Any]]) -> None:
    """metrics.csv and metrics.jsonl; a value that is not measured is empty, or null."""
    import json

    names = ("epoch", "loss", "held_out_loss", "held_out_score")
    rows = [{name: None if record[name] != record[name] else record[name] for name in names} for record in history]
    with open(os.path.join(folder, "metrics.csv"), "w", encoding="utf-8") as file:
        file.write(",".join(names) + "\n")
        file.writelines(",".join("" if row[name] is None else repr(row[name]) for name in names) + "\n" for row in rows)
    with open(os.path.join(folder, "metrics.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def read_metrics(folder: str) -> list[dict[str, Any]]:
    """The records of metrics.jsonl, with NaN for what was not measured."""
    import json

    try:
        with open(os.path.join(folder, "metrics.jsonl"), encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
    except (OSError, ValueError):
        raise DataError(f"{os.path.join(folder, 'metrics.jsonl')} is missing or damaged: fit again") from None
    return [{name: float("nan") if value is None else value for name, value in record.items()} for record in records]


def save_checkpoint(torch: Any, path: str, checkpoint: dict[str, Any]) -> None:
    """Replaces the checkpoint at `path` at once, so that there is always a whole one."""
    part = f"{path}.{os.getpid()}.part"
    torch.save({"format": FORMAT, "version": VERSION, **checkpoint}, part)
    os.replace(part, path)


def remove_unfinished(folder: str) -> None:
    """Removes the checkpoint of a run whose folder now stands."""
    try:
        os.unlink(folder + UNFINISHED)
    except FileNotFoundError:
        pass


def find_checkpoint(folder: str) -> str:
    """The path of the checkpoint to go on from."""
    folder = folder.rstrip("/")
    for path in (folder + UNFINISHED, os.path.join(folder, "checkpoint.pt")):
        if os.path.exists(path):
            return path
    if os.path.exists(os.path.join(folder, "settings.json")):
        raise DataError(f"{folder} is complete: there is nothing to resume")
    raise DataError(f"no interrupted run at {folder}: give --resume the folder that -o named")


def load_checkpoint(torch: Any, path: str) -> dict[str, Any]:
    try:
        checkpoint = torch.load(path, weights_only=True)
    except Exception as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}): fit again") from None
    if not isinstance(checkpoint, dict) or checkpoint.get("format") != FORMAT:
        raise DataError(f"{path} is not a checkpoint of `rushlight fit`")
    refuse_version(path, checkpoint.get("version"))
    return checkpoint
