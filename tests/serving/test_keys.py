"""The keys of the review page, in a real browser."""

import pytest

from faceinpaint.serving.page import head
from tests.browser import opened

PAGE = """<body><button id="accept"></button><button id="skip"></button><input>
<div id="editor"><button aria-label="Zoom in"></button></div><p id="pressed"></p>
<script>
  const said = (name) => { document.querySelector("#pressed").textContent += name + " "; };
  for (const button of document.querySelectorAll("button"))
    button.addEventListener("click", () => said(button.id || button.ariaLabel));
  const press = (key, more = {}, target = document.body) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...more }));
  addEventListener("load", () => { PRESSES });
</script></body>"""


@pytest.mark.parametrize(
    ("presses", "clicked"),
    [
        ("press('a'); press('S');", "accept skip"),
        ("press('a'); press('a', { repeat: true }); press('a', { repeat: true });", "accept"),  # held down
        ("press('+'); press('+', { repeat: true });", "Zoom in Zoom in"),
        ("press('a', { ctrlKey: true }); press('a', {}, document.querySelector('input'));", ""),
    ],
)
def test_a_key_clicks_its_button_once(tmp_path, presses, clicked):
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html>{head()}{PAGE.replace('PRESSES', presses)}")
    assert opened(page)["text"].strip() == clicked
