"""What the buttons of the review page do where something is in the way."""

from types import SimpleNamespace

import pytest

from faceinpaint.errors import InputError
from faceinpaint.serving.page import _undo


def test_undoing_a_decision_on_a_picture_that_is_gone_goes_on_to_the_next():
    """It is taken back; with the old picture still on the screen, the next click would be a conflict."""

    def undo(person):
        raise InputError("a.png: cannot be read")

    desk = SimpleNamespace(undo=undo, next=lambda person: None, queue=SimpleNamespace(progress=lambda: (1, 2)))
    with pytest.warns(UserWarning, match="cannot be read"):  # what a browser is told
        shown, status, editor, _ = _undo(desk, None, "anna")  # type: ignore[arg-type]
    assert (shown, editor) == (None, None)
    assert "1 of 2 are decided" in status
