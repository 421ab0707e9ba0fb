// Gradio runs this as a function with `element`, `props`, `server` and `watch`.

import(`${window.gradio_config?.root ?? ""}${props.scripts}/main.js`).then(
  ({ start }) => start({ element, props, watch, gradio: server }),
  () => {
    const notice = element.querySelector(".notice");
    notice.firstElementChild.textContent =
      "The page was updated on the server, or the server cannot be reached. Reload the page.";
    notice.hidden = false;
  },
);
