"""The review page: Gradio's image editor with a few buttons, and a key for each."""

from __future__ import annotations

import secrets
from importlib import resources
from typing import Any

import gradio as gr
import numpy as np

from faceinpaint.errors import InputError
from faceinpaint.serving.decisions import ConflictError
from faceinpaint.serving.desk import Desk, Shown
from faceinpaint.serving.preview import BRUSH, CANVAS, OPACITY, as_layer, from_layers, on_canvas

COLOUR = "#{:02x}{:02x}{:02x}".format(*BRUSH)
KEEP_FILES = (3600, 3600)  # seconds between clean-ups of, and age of, what the browser was sent
DONE = "### Nothing is left to review\nEvery proposal is decided, or in another person's hands."
HELP = (
    "**A** accept as it stands · **R** reject · **S** skip · **U** undo my last decision · **P** restore on the spot · "
    "**B** brush · **E** erase · **+ −** zoom · **Ctrl Z** undo a stroke"
)
ASSETS = resources.files("faceinpaint.serving") / "assets"


def build_page(desk: Desk) -> gr.Blocks:
    """The page over a desk. One :class:`Shown` per browser tab lies in its session."""
    with gr.Blocks(title="Review of proposed masks", analytics_enabled=False, delete_cache=KEEP_FILES) as page:
        person = gr.BrowserState(None, storage_key="faceinpaint-person")
        shown: gr.State = gr.State(None)
        with gr.Row():
            status = gr.Markdown(elem_id="status", container=False)
            name = gr.Textbox(label="You", elem_id="person", max_lines=1, scale=0, min_width=180)
        editor = gr.ImageEditor(
            elem_id="editor",
            type="numpy",
            image_mode="RGBA",
            format="png",
            sources=(),
            transforms=(),
            layers=gr.LayerOptions(allow_additional_layers=False, layers=["damage"]),
            brush=gr.Brush(colors=[(COLOUR, OPACITY / 255)], default_color=(COLOUR, OPACITY / 255), color_mode="fixed"),
            eraser=gr.Eraser(),
            canvas_size=(CANVAS, CANVAS),
            height=620,
            show_label=False,
        )
        with gr.Row():
            accept = gr.Button("Accept (A)", elem_id="accept", variant="primary")
            reject = gr.Button("Reject (R)", elem_id="reject", variant="stop")
            skip = gr.Button("Skip (S)", elem_id="skip")
            undo = gr.Button("Undo (U)", elem_id="undo")
            try_out = gr.Button("Restore (P)", elem_id="restore")
        gr.Markdown(HELP, elem_id="help")
        slider = gr.ImageSlider(label="Before and after", elem_id="result", visible=False, format="png", type="numpy")
        view = [shown, status, editor, slider]
        page.load(lambda known: known or f"person-{secrets.token_hex(2)}", person, name, show_progress="hidden").then(
            lambda who: _view(desk, desk.next(who)), name, view
        )
        name.change(lambda who: who, name, person, show_progress="hidden")
        accept.click(lambda *given: _decide(desk, True, *given), [shown, editor, name], view)
        reject.click(lambda *given: _decide(desk, False, *given), [shown, editor, name], view)
        skip.click(lambda at, who: _skip(desk, at, who), [shown, name], view)
        undo.click(lambda at, who: _undo(desk, at, who), [shown, name], view)
        try_out.click(lambda *given: _restore(desk, *given), [shown, editor], slider)
    return page


def head() -> str:
    """What goes into the page's HTML head: the keys."""
    return f"<script>{(ASSETS / 'keys.js').read_text()}</script>"


def _view(desk: Desk, shown: Shown | None) -> list[Any]:
    """Values of (shown, status, editor, slider)."""
    decided, total = desk.queue.progress()
    hidden = gr.ImageSlider(value=None, visible=False)
    if shown is None:
        return [None, f"{DONE}\n\n{decided} of {total} are decided.", None, hidden]
    row = shown.row
    about = f"confidence {row.confidence or 0:.2f}"
    about += f", {row.parts} parts, {row.hole_ratio or 0:.2%} of the picture" if row.parts else f": {row.reason}"
    background = on_canvas(np.dstack([shown.preview, np.full(shown.preview.shape[:2], 255, np.uint8)]), 255)
    value = {"background": background, "layers": [on_canvas(as_layer(shown.mask))], "composite": None}
    return [shown, f"### {row.key}\n{decided} of {total} decided · {about}", value, hidden]


def _painted(shown: Shown, editor: dict[str, Any] | None) -> np.ndarray:
    """What stands in the editor as a mask of the preview's size."""
    layers = (editor or {}).get("layers") or []
    return from_layers([layer for layer in layers if layer is not None], *shown.mask.shape)


def _decide(desk: Desk, keep: bool, shown: Shown | None, editor: dict[str, Any] | None, person: str) -> list[Any]:
    if shown is not None:
        try:
            desk.decide(shown, _painted(shown, editor) if keep else None, person)
        except ConflictError as error:
            gr.Warning(str(error))
    return _view(desk, desk.next(person))


def _skip(desk: Desk, shown: Shown | None, person: str) -> list[Any]:
    if shown is not None:
        desk.queue.skip(shown.row.key, person)
    return _view(desk, desk.next(person))


def _undo(desk: Desk, shown: Shown | None, person: str) -> list[Any]:
    try:
        before = desk.undo(person)
    except InputError as error:  # the decision is taken back, but its picture cannot be shown any more
        gr.Warning(str(error))
        return _view(desk, desk.next(person))
    if before is None:
        gr.Info("You have no decision to take back.")
        return [gr.skip()] * 4
    return _view(desk, before)


def _restore(desk: Desk, shown: Shown | None, editor: dict[str, Any] | None) -> Any:
    if shown is None:
        raise gr.Error("There is no picture to restore.", print_exception=False)
    try:
        before, after = desk.restored(shown, _painted(shown, editor))
    except InputError as error:
        raise gr.Error(str(error), print_exception=False) from None
    return gr.ImageSlider(value=(before, after), visible=True)
