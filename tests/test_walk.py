"""The walk through everything, on the size that has the least room."""

from tests.walk import walk_and_look


def test_the_whole_walk(browser, page_url, tmp_path):
    assert walk_and_look(browser, page_url, "phone", "dark", tmp_path) == []
    assert len(list(tmp_path.glob("*.png"))) == 16
