"""Pages in a browser, with all that went wrong with them."""

from importlib.resources import files
from pathlib import Path


class Opened:
    """A page in a window, and all that went wrong with it."""

    def __init__(self, browser, path: Path, **window):
        self.context = browser.new_context(**window)
        self.page = self.context.new_page()
        self.errors, self.requests = [], []
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.note(m.text))
        self.page.on("pageerror", lambda error: self.note(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.address = path.as_uri()
        self.page.goto(self.address)

    def note(self, text: str) -> None:
        self.errors.append(text)

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.context.close()

    def scroll_through(self) -> None:
        """Brings every figure and clip into view once, and waits until it is drawn."""
        for number in range(self.page.locator(".clip, .plot[data-source]").count()):
            place = self.page.locator(".clip, .plot[data-source]").nth(number)
            place.scroll_into_view_if_needed()
            place.locator(".main-svg").or_(place.locator("svg.main-svg")).first.wait_for()

    def outside(self, *own: str) -> list[str]:
        """The requests that left the page, and what else is its own."""
        kept = ("data:", "blob:", self.address, *own)
        return [url for url in self.requests if not url.startswith(kept)]

    def barriers(self) -> list[str]:
        """What axe calls serious or critical: rule, and where it was broken."""
        script = files("axe_playwright_python").joinpath("axe.min.js").read_text()
        self.page.evaluate(script)
        found = self.page.evaluate("axe.run().then(r => r.violations)")
        return [
            f"{rule['id']}: {node['html'][:200]}"
            for rule in found
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"][:3]
        ]
