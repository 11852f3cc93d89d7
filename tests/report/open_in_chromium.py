"""Open a report in Chromium as a reader would, and print what happened as JSON.

A program of its own, so that its event loop meets no other: ``python open_in_chromium.py REPORT [DIR]``.
With a folder, it leaves a screenshot of each width and a PDF there.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]


def look(page: Page, report: Path) -> dict[str, Any]:
    """Open the report and note what a reader would not see."""
    console: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: console.append(message.text))
    page.on("pageerror", lambda error: console.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    page.wait_for_timeout(500)
    return {
        "console": console,
        "requests": [url for url in requests if url != report.as_uri()],
        "title": page.title(),
        "headings": page.locator("h2").all_inner_texts(),
        "hijacked": page.evaluate("window.hijacked === true"),
        "page_width": page.evaluate("document.documentElement.scrollWidth"),
        "table_widths": page.locator(".wide:has(table)").evaluate_all(
            "all => all.map(wide => [wide.scrollWidth, wide.clientWidth])"
        ),
        "window_width": page.evaluate("window.innerWidth"),
        "links": page.locator("a").evaluate_all("links => links.map(link => link.href)"),
        "pictures": page.locator("svg").count(),
        "text": page.locator("body").inner_text(),
    }


def main(report: str, folder: str | None = None) -> None:
    """Open a report at each width."""
    seen = {}
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        for name, (width, height) in WIDTHS.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            seen[name] = look(page, Path(report).resolve())
            if folder:
                page.screenshot(path=Path(folder, f"{Path(report).stem}-{name}.png"), full_page=True)
                page.pdf(path=Path(folder, f"{Path(report).stem}-{name}.pdf"), format="A4")
            page.close()
        browser.close()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
