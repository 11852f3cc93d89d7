from __future__ import annotations

import shutil

import pytest

from tests.browser.servers import ROOT

pytestmark = pytest.mark.slow


def test_notebook_is_a_page_for_colleagues(voila, page, shoot):
    """Voilà serves the notebook as a page on which tasks are searched and looked up, without any code."""
    from playwright.sync_api import expect

    shutil.copy(ROOT / "notebooks" / "03-task-lookup.ipynb", voila.folder)
    page.goto(f"{voila.url}voila/render/03-task-lookup.ipynb?token={voila.token}")
    panel = page.locator(".ha-lookup")
    entry = panel.get_by_role("textbox", name="Task ids, links or words")
    expect(entry).to_be_visible(timeout=60_000)
    expect(panel.get_by_role("heading", name="Weather report for Barcelona")).to_be_visible()
    expect(page.locator(".ha-static")).to_be_hidden()
    expect(page.get_by_text("import handinger_analytics")).to_have_count(0)
    shoot(panel, "voila-start")
    entry.fill("invoice")
    match = panel.locator("button.ha-match").first
    expect(match).to_contain_text("invoice")
    match.click()
    expect(panel.get_by_role("alert").first).to_contain_text("Found 1 task")
    expect(panel.get_by_role("heading")).to_contain_text("invoice")
    shoot(panel, "voila-found")
