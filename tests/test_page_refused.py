"""What a broken browser may send to the page: each is answered with a sentence, none with a 500."""

import pytest

from tests.visit import touch

STYLE = {"colours": "inferno", "scale": "layer", "shown": "B", "held": None}
UNIT = {"shown": "B", "layer": "h_conv1", "map": 3, "row": 1, "column": 1}
WRONG = {
    "no drawing": ("look_at", {"pixels": None}),
    "half a drawing": ("look_at", {"pixels": "AAAA"}),
    "a version that is none": ("look_at", {"version": "newest"}),
    "no style": ("look_at", {"style": "inferno"}),
    "a style that there is not": ("look_at", {"style": {**STYLE, "shown": "C"}}),
    "half a drawing to keep": ("keep", {"pixels": "AAAA"}),
    "why an 11": ("tell_why", {"digit": 11}),
    "why a number too large": ("tell_why", {"digit": 2**64}),
    "why some": ("tell_why", {"digit": [1, 2]}),
    "to take something else": ("take", {"what": "everything", "page": "http://here"}),
    "repainting for a stranger": ("repaint", {"visitor": "nobody", "style": STYLE}),
    "repainting for no one": ("repaint", {"visitor": {}, "style": STYLE}),
    "a stranger's unit": ("tell_unit", {**UNIT, "visitor": "nobody"}),
    "a unit outside": ("tell_unit", {**UNIT, "row": 28}),
    "a part of no layer": ("take_apart", {**UNIT, "layer": "images"}),
    "a part of no map": ("take_apart", {**UNIT, "map": 32}),
    "a part of no unit": ("take_apart", {**UNIT, "row": "1"}),
    "a part of A that is not kept": ("take_apart", {**UNIT, "shown": "A"}),
    "what a score likes": ("tell_likes", {**UNIT, "layer": "logits"}),
    "what no map likes": ("tell_likes", {**UNIT, "map": -1}),
}
OWN = {  # what is right about each, beside drawing and visitor
    "look_at": {"style": STYLE},
    "keep": {},
    "tell_why": {"digit": None},
    "take": {},
    "repaint": {},
    "tell_unit": {},
    "take_apart": {},
    "tell_likes": {},
}
OF_DRAWINGS = ("look_at", "keep", "tell_why", "take")


@pytest.fixture(scope="module")
def sent(browser, page_url) -> tuple[str, dict]:
    """The address and the content of a request that the page itself has sent."""
    page = browser.new_page()
    requests = []
    page.on("request", lambda r: '"look_at"' in (r.post_data or "") and requests.append(r))
    page.add_init_script("addEventListener('drawn', () => { window.drawnAt = performance.now(); })")
    page.add_init_script("addEventListener('shown', (event) => { window.last = event.detail; })")
    page.goto(page_url)
    page.wait_for_function("window.last")
    touch(page, lambda: page.keyboard.press("5"))
    url, content = requests[-1].url, requests[-1].post_data_json
    page.close()
    return url, content


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_with_a_sentence(sent, page_url, browser, name):
    url, content = sent
    function, wrong = WRONG[name]
    right = content["data"] if function in OF_DRAWINGS else {"visitor": content["data"]["visitor"]}
    data = {**right, **OWN[function], **wrong}
    context = browser.new_context()
    answer = context.request.post(url, data={**content, "fn_name": function, "data": data})
    told = answer.json()
    context.close()
    assert answer.status == 200
    assert told.get("forgotten") or len(told["error"]) > 20


@pytest.mark.parametrize("function", OWN)
def test_nothing_at_all_is_refused_too(sent, browser, function):
    url, content = sent
    context = browser.new_context()
    for data in (None, [], "x", {}):
        answer = context.request.post(url, data={**content, "fn_name": function, "data": data})
        assert answer.status == 200
        assert answer.json().get("forgotten") or len(answer.json()["error"]) > 20
    context.close()
