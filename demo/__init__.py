"""The Gradio page: draw a digit and watch every layer of the network fire."""
