"""A real browser for pages that people open: headless Chromium, where the machine has one."""

import html
import json
import re
import shutil
import subprocess

import pytest

PROBE = """<pre id="probe"></pre><script>addEventListener("load", () => setTimeout(() => {
  const sizes = [...document.images].map(image => [image.alt, image.naturalWidth, image.naturalHeight]);
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  document.getElementById("probe").textContent = JSON.stringify({sizes, wide, text: document.body.innerText});
}, WAIT))</script>"""


def chromium():
    """Its path; skips the test where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    return found


def opened(page, width=1200, fragment="", wait=0):
    """What the browser made of a page: every picture's (alt, width, height), pixels of sideways scrolling, the text
    that is seen, the console. ``wait``: milliseconds for what the page loads by itself."""
    copy = page.with_name(f"probed-{page.name}")
    copy.write_text(page.read_text() + PROBE.replace("WAIT", str(wait)))
    command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    command += [f"--user-data-dir={page.parent}/.browser", f"--window-size={width},900"]
    command += [f"--virtual-time-budget={2 * wait + 1000}", copy.as_uri() + fragment]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    probe = re.search(r'<pre id="probe">(.+?)</pre>', done.stdout, re.DOTALL)
    assert probe, done.stderr
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return {**json.loads(html.unescape(probe[1])), "console": console}
