"""The Gradio page: watch every layer of a network fire."""
