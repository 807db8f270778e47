"""Checkpoints of a run: written whole or not at all, verified when read, the last few and the best kept.

Kept apart from Ray Train's own checkpoint book: ours falls back to an earlier checkpoint when the newest is damaged,
and a user can list, copy or delete them.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from dataclasses import dataclass
from typing import Any

import torch

from faceinpaint.errors import InputError
from faceinpaint.storage import delete, exists, join, list_files, read_bytes, write_bytes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckpointStore:
    """Checkpoints under a local or s3:// folder: ``step-00001200.pt`` and, written after it, ``step-00001200.json``.

    The JSON holds the step, the state's SHA-256 and the score (higher is better, or null). A state without one was cut
    off and does not count.
    """

    uri: str
    keep: int = 2  # at least 1: a run goes on from the newest

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise InputError(f"keep {self.keep} checkpoints: at least the newest must stay, to go on from")

    def save(self, step: int, state: dict[str, Any], score: float | None = None) -> None:
        """Write a checkpoint, then drop those that are neither among the last ``keep`` nor the best."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getvalue()
        note = {"step": step, "sha256": hashlib.sha256(data).hexdigest(), "score": score}
        write_bytes(join(self.uri, f"step-{step:08d}.pt"), data)
        write_bytes(join(self.uri, f"step-{step:08d}.json"), json.dumps(note).encode())
        self._drop_old()

    def notes(self) -> list[dict[str, Any]]:
        """The notes of all complete checkpoints, oldest first."""
        if not exists(self.uri):
            return []
        names = sorted(name for name, _ in list_files(self.uri) if name.startswith("step-") and name.endswith(".json"))
        notes = []
        for name in names:
            try:
                notes.append(json.loads(read_bytes(join(self.uri, name))))
            except ValueError:
                logger.warning("checkpoint note %s is damaged; leaving it out", join(self.uri, name))
        return notes

    def newest(self) -> dict[str, Any] | None:
        """The newest undamaged state; None when there is none. Warns of each damaged one it passes over."""
        for note in reversed(self.notes()):
            state = self.load(note)
            if state is not None:
                return state
        return None

    def load(self, note: dict[str, Any]) -> dict[str, Any] | None:
        """The state that a note speaks of; None, with a warning, when it is damaged or gone."""
        path = join(self.uri, f"step-{note['step']:08d}.pt")
        try:
            data = read_bytes(path)
        except FileNotFoundError:
            data = b""
        if hashlib.sha256(data).hexdigest() != note["sha256"]:
            logger.warning("checkpoint %s is damaged or gone", path)
            return None
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)

    def _drop_old(self) -> None:
        notes = self.notes()
        best = max((n for n in notes if n["score"] is not None), key=lambda n: n["score"], default=None)
        for note in notes[: len(notes) - self.keep]:
            if note != best:
                for ending in ("json", "pt"):  # the note first: what has none does not count
                    delete(join(self.uri, f"step-{note['step']:08d}.{ending}"))
