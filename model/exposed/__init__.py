"""Exposes all layers of any Keras model, with the description that a page needs to show them."""
