"""Any Keras model with its layers exposed: what each answers, and what a page needs to show it."""
