"""Pages with figures as readers meet them: light, dark, narrow, printed, without scripts, told by a screen reader."""
from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.lint import lint
from tests.sphinxes import Project

LOOKS = """[...document.querySelectorAll(".archviz-both")].map(figure =>
    [...figure.querySelectorAll(".archviz-light, .archviz-dark")]
        .filter(one => one.getBoundingClientRect().height > 0).map(one => one.classList[0].slice(8)).join("+"))"""
ALL = ("alpha", "beta", "figure", "index", "myst", "options", "saved", "twice")


def opened(browser: Browser, project: Project, name: str, **how: Any) -> Page:
    page = browser.new_page(**how)
    page.goto((project.folder / f"out/html/{name}.html").as_uri())
    return page


def shown(page: Page) -> set[str]:
    """Which variants of the figures are seen, once the page has looked at itself."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return set(page.evaluate(LOOKS))


def test_the_variant_follows_the_page(browser, newest):
    for scheme in ("light", "dark"):
        page = opened(browser, newest, "options", color_scheme=scheme)
        assert shown(page) == {scheme}
        assert page.locator(f".archviz-both .archviz-{scheme} .av-background").first.is_hidden()
        page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
        assert shown(page) == {"light", "dark"} - {scheme}
        page.evaluate("theme => document.body.dataset.theme = theme", scheme)      # as furo's own switch does
        assert shown(page) == {scheme}
        page.emulate_media(media="print")
        assert shown(page) == {"light"}
        page.close()
        plain = opened(browser, newest, "options", color_scheme=scheme, java_script_enabled=False)
        assert plain.evaluate(LOOKS)[0] == "light"     # the page does not say, so on the figure's own ground
        assert plain.locator(".archviz-both .archviz-light .av-background").first.is_visible()
        plain.close()


def test_a_page_that_is_never_dark_shows_no_dark_figure(browser, oldest):
    page = opened(browser, oldest, "options", color_scheme="dark")
    assert shown(page) == {"light"}
    # One that is dark by a media query alone says so nowhere but in its colours.
    page.add_style_tag(content="@media (prefers-color-scheme: dark) { div.body { background: #111; color: #ddd; } }")
    assert shown(page) == {"dark"}
    page.emulate_media(color_scheme="light")
    assert shown(page) == {"light"}
    page.close()


@pytest.mark.parametrize("site", ["newest", "oldest"])
def test_a_narrow_page_scrolls_its_figures_and_not_itself(site, browser, request):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    for name in ALL:
        page.goto((request.getfixturevalue(site).folder / f"out/html/{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390, name
        small = page.evaluate("""[...document.querySelectorAll(".archviz svg")].filter(svg => {
            const said = svg.closest(".archviz").getAttribute("style");
            const natural = parseFloat(said.slice("--archviz-width:".length)) * 4 / 3;
            const width = svg.getBoundingClientRect().width;
            return width && width < natural - 1 && !/ width: [^%]*$/.test(said);
        }).length""")
        assert small == 0, name
        assert page.evaluate("""[...document.querySelectorAll(".archviz")].every(figure => {
            const box = figure.getBoundingClientRect(); return box.left >= 0 && box.right <= 390; })"""), name
    page.close()


def test_ids_are_told_once_a_page(browser, newest):
    page = browser.new_page()
    for name in ALL:
        page.goto((newest.folder / f"out/html/{name}.html").as_uri())
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
        assert len(ids) == len(set(ids)), name
    page.close()


def test_figures_are_named_and_answer_to_the_mouse(browser, newest):
    page = opened(browser, newest, "figure", color_scheme="light", viewport={"width": 1200, "height": 900})
    shown(page)
    # the hidden one is not told
    assert page.get_by_role("img", name='A network, "quoted" & <escaped>').count() == 1
    assert page.get_by_role("img", name="Net").count() >= 1
    page.close()
    page = opened(browser, newest, "alpha", color_scheme="light", viewport={"width": 1200, "height": 900})
    shown(page)
    layer = page.locator(".archviz-light [data-node='conv1']")
    assert "conv1" in layer.locator("> title").text_content()
    box = layer.locator("> path").first
    before = box.evaluate("one => getComputedStyle(one).filter")
    layer.hover()
    assert before == "none" != box.evaluate("one => getComputedStyle(one).filter")
    page.close()


def test_what_a_page_shows_is_legible(browser, newest, tmp_path):
    page = opened(browser, newest, "options")
    files = []
    for i, svg in enumerate(page.evaluate(
            "[...document.querySelectorAll('.archviz svg')].map(svg => new XMLSerializer().serializeToString(svg))")):
        files.append(tmp_path / f"{i}.svg")
        files[-1].write_text(svg, "utf-8")
    page.close()
    assert len(files) == 11
    assert {name: row["bad"] for name, row in lint(files).items() if row["bad"]} == {}
