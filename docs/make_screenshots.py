"""Makes the pictures of the Prefect UI: a report on the demo's environment, ordered in the form and watched.

``python docs/make_screenshots.py http://127.0.0.1:4200 agent-report-data/stack/prefect-password``, with the UI of a
server that has ``on-demand``.
The tests go the same way in the same browser, but for the list of a run's artifacts.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

_DOCS = Path(__file__).parent
# The first two fill every window with pages of their own for the address bar: 0.8 CPU seconds for each context.
# Chromium reads only the last list of features, so that what Playwright disables is repeated.
_DISABLED = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "AimEnabled", "AvoidUnnecessaryBeforeUnloadCheckSync"),
    *("DestroyProfileOnBrowserClose", "HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable", "LensOverlay"),
    *("MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect"),
    *("OptimizationHints", "NetworkTimeServiceQuerying", "PreconnectToSearch"),
)
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    # Without a GPU, the graph on a run's page would take a core for as long as the page is open.
    "--disable-3d-apis",
    f"--disable-features={','.join(_DISABLED)}",
)
_START_SECONDS, _REPORT_SECONDS = 240, 120
_EVALUATED = re.compile(r"Evaluated (\d+)/(\d+) agents")
_CRITERIA = '{"name:billing-bot": {"accuracy": {"weight": 1, "threshold": 9, "description": "Right to the cent"}}}'


def find_chromium() -> str | None:
    """The browser of this machine; None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def open_browser(*, width: int = 1120, height: int = 860) -> Iterator[Page]:
    """A page in a headless browser of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(_ARGUMENTS))
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(30_000)
            expect.set_options(timeout=30_000)
            yield page
        finally:
            browser.close()


def log_in(page: Page, ui_url: str, password: str) -> None:
    """Give the UI the password that it asks for; it keeps it for this browser."""
    page.goto(ui_url)
    page.get_by_placeholder("admin:pass").fill(password)
    page.get_by_role("button", name="Login").click()
    expect(page.get_by_role("link", name="Deployments", exact=True)).to_be_visible()
    # It forgets the password when its server does not answer in time once, as on a busy machine.
    kept = page.evaluate("localStorage.getItem('prefect-password')")
    page.add_init_script(f"localStorage.setItem('prefect-password', {json.dumps(kept)})")


def open_form(page: Page) -> None:
    """From the UI's first page to the form of ``on-demand``, as a person gets there who looks for it."""
    page.get_by_role("link", name="Deployments", exact=True).click()
    page.get_by_role("link", name="on-demand").first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom Run").click()
    expect(page.get_by_text("Only these agents")).to_be_visible()


def fill_in(page: Page, environment: str, name: str) -> None:
    """The environment, a name, a criterion of one agent and some options; the rest stays as it is."""
    page.get_by_label("environment").fill(environment)
    page.get_by_label("name (Optional)").fill(name)
    _fill_editor(page, _CRITERIA)
    page.get_by_label("Since").fill("30d")
    page.get_by_label("Runs per agent").fill("10")
    page.get_by_label("Ask again").click()


def _fill_editor(page: Page, text: str) -> None:
    # On a busy machine the editor gets the default that it starts with behind what was filled in.
    editor = page.locator(".cm-content").last
    for _ in range(20):
        editor.fill(text)
        page.wait_for_timeout(300)
        if editor.inner_text().strip() == text:
            return
    raise RuntimeError(f"the editor cannot be filled in: it has {editor.inner_text()!r}")


def submit(page: Page) -> str:
    """Send the form; returns the address of the new run's page."""
    with page.expect_response(lambda response: response.url.endswith("/create_flow_run")) as sent:
        page.get_by_role("button", name="Submit").click()
    answer = sent.value
    if not answer.ok:
        raise RuntimeError(f"the form was answered {answer.status}: {answer.text()[:500]}")
    # Not by the link in the message about it, which is gone after a moment.
    return f"{page.url.partition('/deployments')[0]}/runs/flow-run/{answer.json()['id']}"


def open_artifact(page: Page, run_url: str, kind: str) -> None:
    """From the run's page to the page of its artifact of this kind (progress, markdown, table), once it is there."""
    card = page.get_by_role("link").filter(has_text=re.compile(rf"^\s*{kind}", re.I)).first
    deadline = time.monotonic() + _START_SECONDS
    while True:
        # The list does not grow while one looks at it. On a busy machine it takes some seconds to appear.
        page.goto(f"{run_url}?tab=Artifacts")
        with suppress(PlaywrightTimeoutError):
            card.wait_for(timeout=5_000)
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"there is no artifact of the kind {kind} after {_START_SECONDS} s")
    # Not by a click, which is lost when the list is drawn again just then.
    address = card.get_attribute("href")
    show_artifact(page, f"{run_url.partition('/runs/')[0].removesuffix('/v2')}{address}", kind)


def show_artifact(page: Page, address: str, kind: str) -> None:
    """Go to the page of an artifact of this kind."""
    page.goto(address)
    expect(page.get_by_role("tab", name="Raw")).to_be_visible(timeout=30_000)
    # The content comes after what is around it.
    if (last := {"markdown": "Every agent", "table": "Page 1 of"}.get(kind)) is not None:
        page.wait_for_function("text => document.querySelector('main').innerText.includes(text)", arg=last)
        # It is drawn twice.
        page.wait_for_timeout(1000)
        page.wait_for_function("text => document.querySelector('main').innerText.includes(text)", arg=last)


def wait_for_agents(page: Page, *, least: int) -> int:
    """Wait on the progress artifact's page until this many agents are evaluated; how many they are now."""
    deadline = time.monotonic() + _REPORT_SECONDS
    while time.monotonic() < deadline:
        # The text comes after the page is loaded.
        with suppress(PlaywrightTimeoutError):
            page.get_by_text(_EVALUATED).first.wait_for(timeout=5_000)
        found = _EVALUATED.search(page.inner_text("body"))
        if found and int(found[1]) >= least:
            return int(found[1])
        time.sleep(1)
        page.reload()
    raise TimeoutError(f"fewer than {least} agents are evaluated after {_REPORT_SECONDS} s")


def main(ui_url: str, password: str) -> None:
    """Write ``form.png``, ``progress.png`` and ``report.png`` in ``docs/images``."""
    with open_browser() as page:
        log_in(page, ui_url, password)
        open_form(page)
        fill_in(page, "demo", "Weekly")
        page.get_by_label("name (Optional)").scroll_into_view_if_needed()
        page.mouse.move(600, 400)
        page.mouse.wheel(0, -10_000)
        page.wait_for_timeout(1000)
        page.screenshot(path=_DOCS / "images" / "form.png")
        run_url = submit(page)
        open_artifact(page, run_url, "progress")
        wait_for_agents(page, least=3)
        page.screenshot(path=_DOCS / "images" / "progress.png")
        open_artifact(page, run_url, "markdown")
        page.screenshot(path=_DOCS / "images" / "report.png")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).read_text(encoding="ascii").strip())
