"""Whether anything is lost: a page is used for an hour while all that can fail does."""
