// What colours stand for: which colour map, and what its brightest is. `changed` is called to have
// the same activations painted again.

export function makeColours(element, state, changed) {
  const colours = element.querySelector(".colours");
  const scale = element.querySelector(".scale");
  const { style } = state;
  Object.assign(style, { colours: colours.value, scale: scale.value });

  colours.addEventListener("change", () => {
    style.colours = element.dataset.colours = colours.value;
    changed();
  });

  scale.addEventListener("change", () => {
    if (!state.answer) return (scale.value = style.scale); // there is nothing to hold yet
    style.scale = scale.value;
    style.held = scale.value === "held" ? { ...state.answer.largest } : null;
    return changed();
  });
}
