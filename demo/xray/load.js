// Gradio runs this as a function with `element`, `props`, `server` and `watch`.

import(`${window.gradio_config?.root ?? ""}${props.scripts}/main.js`).then(
  ({ start }) => start({ element, props, watch, gradio: server }),
  () => {
    const notice = element.querySelector(".notice");
    const language = navigator.language.split("-")[0];
    element.querySelector(".xray").lang = language;
    notice.firstElementChild.textContent = props.outdated[language] ?? props.outdated.en;
    notice.hidden = false;
  },
);
