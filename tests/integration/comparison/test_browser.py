"""The model report in a real browser, at the widths of a desk and of a phone."""

import json
import os
import re
import shutil
import subprocess
from typing import NamedTuple

import pytest
from matplotlib.image import imread

from pipeline.report import comparison
from pipeline.report.comparison_figures import comparison_figures
from pipeline.report.drawing import figure_bytes
from tests.report.comparison.conftest import FIGURES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# A name of its own: a failing check shows its parts, and the environment stays private.
REQUIRED = os.environ.get("CI") == "true"
WITHOUT = "chromium is not installed: apt-get install --no-install-recommends chromium"
DESK, PHONE = 1280, 400
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(13, 17, 23)"

# In a copy of the page: open its folds, and tell the frame around it what the browser made of it.
OBSERVER = """
<script>
addEventListener("load", () => parent.postMessage(JSON.stringify({
  first: [...document.images].filter(image => image.checkVisibility()).length,
  opened: [...document.querySelectorAll("details")].filter(each => each.open = true).length,
  verdict: document.querySelector("main strong").textContent,
  pictures: [...document.images].map(image => image.complete ? image.naturalWidth : 0),
  shown: [...document.images].map(image => image.getBoundingClientRect().width),
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  background: getComputedStyle(document.body).backgroundColor,
}), "*"))
</script>
</body>
"""
# Headless Chromium has no window as narrow as a phone, but a frame may be.
FRAME = """<!DOCTYPE html>
<pre id="findings"></pre>
<iframe src="page.html" style="width: {width}px; height: 2000px; border: 0"></iframe>
<script>
addEventListener("message", event => {{
  document.getElementById("findings").textContent = event.data
}})
</script>
"""


class Seen(NamedTuple):
    """What the browser made of a page, and what its console said."""

    findings: dict
    console: list


def test_chromium_is_there_where_it_is_required():
    """A run in CI does not skip the tests below without a word."""
    assert CHROMIUM or not REQUIRED, WITHOUT


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)


@pytest.fixture(scope="module", params=["alone", "with a champion"])
def report(request, rivals, beaten):
    """Return a report on real models: a challenger alone, and one beside a champion."""
    return rivals(None) if request.param == "alone" else beaten


@pytest.fixture(scope="module")
def page(report):
    """Return the page of the report, with its figures."""
    drawn = comparison_figures(report.report, report.answers)
    figures = {name: figure_bytes(figure) for name, figure in drawn.items()}
    return comparison.pages(report.report, figures)["model-report.html"]


def chromium(folder, address, *options):
    """Run a headless Chromium that keeps everything in ``folder``."""
    return subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--disable-background-networking", f"--user-data-dir={folder / 'profile'}"),
            *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=10000"),
            *(*options, address.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def look(folder, page, width, *options):
    """Return what Chromium finds on a page of that width."""
    (folder / "page.html").write_text(page.replace("</body>", OBSERVER))
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width))
    done = chromium(folder, frame, "--dump-dom", *options)
    (findings,) = re.findall(r'<pre id="findings">(.*?)</pre>', done.stdout)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Seen(json.loads(findings), console)


@needs_chromium
@pytest.mark.parametrize("width", [DESK, PHONE], ids=["desk", "phone"])
def test_the_browser_shows_the_verdict_and_every_figure(report, page, tmp_path, width):
    """Complete, in a page that never scrolls sideways as a whole, with nothing in the console."""
    seen = look(tmp_path, page, width)

    assert seen.findings["verdict"] == report.report.headline
    assert seen.findings["first"] == 1
    assert seen.findings["opened"] == 8
    assert len(seen.findings["pictures"]) == len(FIGURES)
    assert all(natural > 900 for natural in seen.findings["pictures"])
    assert all(shown > 300 for shown in seen.findings["shown"])
    assert seen.findings["overflow"] == 0
    assert seen.console == []


@needs_chromium
@pytest.mark.parametrize(
    ("options", "background"),
    [((), LIGHT), (("--blink-settings=preferredColorScheme=0",), DARK)],
    ids=["light", "dark"],
)
def test_the_page_follows_the_readers_colours(page, tmp_path, options, background):
    """Dark where the reader's screen is."""
    seen = look(tmp_path, page, DESK, *options)

    assert seen.findings["background"] == background


@needs_chromium
def test_the_page_can_be_photographed(page, tmp_path):
    """There is something to see at the top of it."""
    file, shot = tmp_path / "page.html", tmp_path / "shot.png"
    file.write_text(page)
    chromium(tmp_path, file, f"--screenshot={shot}", "--window-size=1280,900")

    image = imread(shot)
    assert image.shape[:2] == (900, 1280)
    assert image[..., :3].std() > 0.05


@needs_chromium
def test_the_checks_above_can_fail(page, tmp_path):
    """An error in the console, a broken picture and a page that is too wide are seen."""
    broken = page.replace("data:image/png;base64,", "data:image/png;base64,AAAA", 1)
    broken = broken.replace("</main>", '<div style="width: 3000px">wide</div></main>')
    broken = broken.replace("</body>", '<script>console.error("planted")</script></body>')
    seen = look(tmp_path, broken, DESK)

    assert any("planted" in line for line in seen.console)
    assert seen.findings["pictures"][0] == 0
    assert seen.findings["overflow"] > 0
