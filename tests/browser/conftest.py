"""A real browser on the Dagster UI: Debian's Chromium, driven by Playwright.

How the pages are clicked through belongs here; what is promised of them, in the tests.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from support.dagster_dev import DagsterDev, dagster_dev
from support.deployment import ROOT, deployed

FAILURES = ROOT / "var/browser"
IMAGES = ROOT / "docs/images"
SECONDS = 90.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(600))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    report = yield
    ui = getattr(item, "funcargs", {}).get("ui")
    if call.when == "call" and call.excinfo is not None and ui is not None:
        FAILURES.mkdir(parents=True, exist_ok=True)
        ui.page.screenshot(path=FAILURES / f"{item.name}.png")
    return report


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """`dg dev` on a deployment with three days of orders."""
    folder = tmp_path_factory.mktemp("deployment")
    with (
        deployed(folder, days=3, orders_per_day=300) as deployment,
        dagster_dev(deployment) as dev,
    ):
        yield dev


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("Expected Chromium, found none: `make browser` installs it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            # Root, and a small /dev/shm, are what a container gives.
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        yield browser
        browser.close()


@pytest.fixture
def ui(browser: Browser, dev: DagsterDev) -> Iterator["Ui"]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(SECONDS * 1000)
    yield Ui(page, dev.url)
    page.close()


@dataclass(frozen=True)
class Ui:
    """The pages of the Dagster UI. Everything waits for a text, nothing for silence."""

    page: Page
    url: str

    def open(self, path: str, text: str) -> None:
        self.page.goto(f"{self.url}{path}")
        self.sees(text)

    def sees(self, text: str, *, exact: bool = False) -> None:
        found = self.page.get_by_text(text, exact=exact)
        # The UI keeps an invisible copy of names, to measure them.
        found.locator("visible=true").first.wait_for()

    def open_day(self, asset: str, day: date) -> None:
        """Go to a partition of an asset."""
        partition = f"?view=partitions&partition={day}"
        self.open(f"/assets/{asset}{partition}", "Latest materialization")

    def day_is_green(self, asset: str, day: date) -> None:
        self.open_day(asset, day)
        self.sees("Materialized", exact=True)

    def day_is_red(self, asset: str, day: date) -> None:
        self.open_day(asset, day)
        self.sees("failed, and did not materialize this asset")

    def open_run_of_this_day(self) -> None:
        """From the page of a partition to the run that it was last made in."""
        self.page.locator("a[href^='/runs/']").first.click()
        self.sees("Re-execute all (*)")

    def execute_all_again(self) -> None:
        before = self.page.url
        self._button().click()
        self._await_new_run(before)

    def open_menu(self) -> None:
        """Of the ways to execute a run again."""
        self._button().locator("xpath=following::button[1]").click()
        self.sees("From failure", exact=True)

    def execute_again_from_failure(self) -> None:
        """With the menu open."""
        before = self.page.url
        self.page.get_by_text("From failure", exact=True).click()
        self._await_new_run(before)

    def filter_log(self, query: str) -> None:
        self.page.get_by_placeholder("Filter…").first.fill(query)

    def open_graph(self, groups: list[str]) -> None:
        """Go to the asset graph, with these groups unfolded."""
        unfolded = ",".join(f"global@global:{group}" for group in groups)
        self.open(f"/asset-groups?expanded={unfolded}", groups[0])

    def show_plots(self) -> None:
        """On the page of an asset: figures over partitions."""
        self.page.get_by_text("Plots", exact=True).first.click()
        self.sees("conversions_sent")

    def picture(self, name: str) -> None:
        """Renew a picture of the documentation, where that is asked for."""
        if os.environ.get("SCREENSHOTS"):
            IMAGES.mkdir(exist_ok=True)
            self.page.screenshot(path=IMAGES / f"{name}.png")

    def _button(self) -> Locator:
        return self.page.get_by_role("button", name="Re-execute all (*)")

    def _await_new_run(self, before: str) -> None:
        self.page.wait_for_url(lambda url: "/runs/" in url and url != before)
        self.sees("Success", exact=True)
