// What colours stand for: which colour map, what its brightest is, and how brightness grows.
// `largest` tells what was largest, by layer; `changed` is called to have the same activations
// painted again.

export function makeColourSettings(element, state, largest, changed) {
  const colours = element.querySelector(".colours");
  const scale = element.querySelector(".scale");
  const { style } = state;
  const curve = element.querySelector(".curve");
  Object.assign(style, { colours: colours.value, scale: scale.value, curve: curve.value });

  colours.addEventListener("change", () => {
    style.colours = element.dataset.colours = colours.value;
    changed();
  });

  scale.addEventListener("change", () => {
    if (!state.answer) return (scale.value = style.scale); // there is nothing to hold yet
    style.scale = scale.value;
    style.held = scale.value === "held" ? largest() : null;
    return changed();
  });

  // What stands in the middle of the ramp, as a part of what its brightest stands for.
  const middle = { root: "middle: ¼ of it", linear: "middle: ½ of it" };
  curve.addEventListener("change", () => {
    style.curve = curve.value;
    element.querySelector(".middle").textContent = middle[curve.value];
    changed();
  });

  element.addEventListener("described", ({ detail: { layers, scores } }) => {
    const isSigned = layers.some((layer) =>
      layer.isSigned && layer.index > 0 && layer.index !== scores?.layer
    );
    element.classList.toggle("signed", isSigned);
    if (style.scale === "held") style.scale = scale.value = "layer"; // what was held is of others
    style.held = null;
  });
}
