"""The page in each language: complete, within its width, and chosen as the visitor expects."""

import pytest
from playwright.sync_api import Page, expect

from demo.translations import TRANSLATIONS
from tests.texts import all_texts
from tests.visit import ask_anew, copied, touch

LOCALES = {
    **{"en": "en-GB", "de": "de-AT", "fr": "fr-FR", "es": "es-MX", "pt": "pt-BR", "ar": "ar-EG"},
    **{"zh": "zh-CN", "ja": "ja-JP"},
}
# Texts of the page, of its menus and cards, and of what it tells screen readers.
READ_TEXTS = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest("script, style")) {
      found.push(walker.currentNode.data.trim());
    }
  }
  for (const name of ["title", "aria-label", "alt"]) {
    for (const element of document.querySelectorAll(`.xray [${name}]`)) {
      found.push(element.getAttribute(name).trim());
    }
  }
  return found;
}"""
# Visible texts that reach out of their box or of one that clips them, except where an ellipsis ends
# them on purpose.
FIND_CUT = """() => {
  const cut = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    const isVisible = parent.checkVisibility({ visibilityProperty: true });
    if (!walker.currentNode.data.trim() || !isVisible) continue;
    if (!parent.closest(".live, [role=tab]")) continue;
    if (parent.closest(".about, .announcement, select, textarea")) continue;
    const { fontSize } = getComputedStyle(parent);
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const text = range.getBoundingClientRect();
    let isBox = false;
    for (let box = parent; box; box = box.parentElement) {
      const { display, overflowX, contain } = getComputedStyle(box);
      const isFirst = !isBox && display !== "inline";
      isBox ||= isFirst;
      if (!isFirst && overflowX !== "hidden" && contain === "none") continue;
      const { left, right, bottom } = box.getBoundingClientRect();
      const slack = parseFloat(fontSize) / 2; // a font may be taller than its line
      if (text.left < left - 1 || text.right > right + 1 || text.bottom > bottom + slack) {
        cut.push([walker.currentNode.data.trim(), box.className]);
        break;
      }
    }
  }
  return cut;
}"""


def english_of(page: Page, code: str) -> set[str]:
    """Returns the English texts on the page that have another form in this language."""
    translations = TRANSLATIONS[code]
    english = {text for text in all_texts() if translations.get(text, text) != text}
    return english & set(page.evaluate(READ_TEXTS))


@pytest.mark.parametrize("code", LOCALES)
def test_page_is_complete_and_fits(open_page, page_url, code):
    address = f"{page_url}#challenge=7-1"
    page = open_page("phone", url=address, locale=LOCALES[code])
    root = page.locator(".xray.live")
    expect(root).to_have_attribute("lang", code)
    expect(root).to_have_attribute("dir", "rtl" if code == "ar" else "ltr")
    touch(page, lambda: page.keyboard.press("7"))
    page.locator(".keep-start").click()
    page.locator(".live .why").click()
    page.locator(".downloads summary").click()
    expect(page.locator(".learning-curve")).to_be_visible()
    for width, height in ((390, 844), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(FIND_CUT) == []
    page.locator(".close-challenge").click()
    page.keyboard.press("Escape")
    page.locator(".start-tour").click()
    page.locator(".live .gallery[data-name=h_conv2] .mosaic").click()
    expect(page.locator(".live .terms .number").first).to_be_visible()
    page.locator(".live .arithmetic .help").click()
    assert page.evaluate(FIND_CUT) == []
    if code != "en":
        assert english_of(page, code) == set()


def test_language_is_changed_and_remembered_with_the_drawing(open_page):
    page = open_page()
    answer = touch(page, lambda: page.keyboard.press("8"))
    with page.expect_navigation():
        page.locator(".language").select_option("de")
    expect(page.locator(".live .pen")).to_have_text("Stift")
    expect(page.get_by_role("tab").first).to_have_text(TRANSLATIONS["de"]["Live"])
    expect(page.get_by_role("tab", name="Bild")).to_be_visible()  # Gradio's
    expect(page.locator(".live .best")).to_have_text("8")
    assert page.evaluate("last.answer.scores") == answer["scores"]
    page.evaluate("location.hash = ''")
    page.reload()
    expect(page.locator(".live .pen")).to_have_text("Stift")
    with page.expect_navigation():
        page.locator(".language").select_option("en")
    expect(page.get_by_role("tab", name="Picture")).to_be_visible()


def test_link_has_the_language_only_if_asked_for(open_page):
    page = open_page(locale="fr-FR")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    touch(page, lambda: page.keyboard.press("7"))
    assert "language" not in copied(page, "link")
    page.keyboard.press("Escape")
    link = copied(page, "link-in-language")
    other = open_page(url=link, locale="ja-JP")
    expect(other.locator(".live .pen")).to_have_text("Crayon")
    touch(other, lambda: other.keyboard.press("4"))  # the drawing is not the link's any more
    other.reload()
    expect(other.locator(".live .pen")).to_have_text("Crayon")
    assert other.evaluate("localStorage.getItem('layer-xray-language')") is None


def test_gradio_follows_the_language_of_the_page(open_page):
    page = open_page(locale="zh-TW")  # Gradio has other words for it, the page has one Chinese
    expect(page.get_by_role("tab").last).to_have_text(TRANSLATIONS["zh"]["Picture"])
    with page.expect_navigation(wait_until="load"):
        page.evaluate("location.hash = 'language=es'")
    expect(page.get_by_role("tab").last).to_have_text("Imagen")
    expect(page.locator(".live .pen")).to_have_text(TRANSLATIONS["es"]["Pen"])


def test_arabic_keeps_numbers_and_formulas_from_left_to_right(open_page):
    page = open_page(locale="ar-EG")
    page.locator(".live .gallery[data-name=h_conv1] .mosaic").click()
    expect(page.locator(".live .grid")).to_have_count(3)
    corner = "table => table.rows[0].cells[0].getBoundingClientRect().x"
    edge = "table => table.getBoundingClientRect().x"
    tables = page.locator(".live .grid").all()
    for table in tables:
        assert table.evaluate(corner) - table.evaluate(edge) < 2
    assert tables[0].evaluate(edge) < tables[1].evaluate(edge)
    steps = [button.bounding_box()["x"] for button in page.locator(".version").all()]
    assert steps == sorted(steps)


def test_numbers_are_written_as_in_the_language(open_page):
    page = open_page(locale="de-DE")
    expect(page.locator(".live .confidence")).to_have_text("100,0\u00a0%")
    expect(page.locator(".version").last).to_have_text("7.254")
    ask_anew(page, page.locator(".version").first.click)
    expect(page.locator(".accuracy-value")).to_have_text("13,1\u00a0%")


def test_errors_are_translated(open_page):
    page = open_page(locale="es-ES")
    page.route("**/gradio_api/**", lambda route: route.abort())
    page.evaluate("() => { WebSocket.prototype.send = function () { this.close(); }; }")
    page.keyboard.press("5")
    expect(page.locator(".live .notice")).to_contain_text("Se ha perdido la conexión")
