"""The walk through the whole page, on the smallest screen."""

from tests.walk import walk_and_look


def test_walk_has_no_errors(browser, page_url, tmp_path):
    assert walk_and_look(browser, page_url, "phone", "dark", tmp_path) == []
    assert len(list(tmp_path.glob("*.png"))) == 16
