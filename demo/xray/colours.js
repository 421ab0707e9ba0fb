// What colours stand for: which colour map, and what its brightest is. `changed` is called to have
// the same activations painted again.

function makeColours(element, galleries, changed) {
  const colours = element.querySelector(".colours");
  const scale = element.querySelector(".scale");
  const style = { colours: colours.value, scale: scale.value, held: null, shown: "B" };

  colours.addEventListener("change", () => {
    style.colours = element.dataset.colours = colours.value;
    changed();
  });

  scale.addEventListener("change", () => {
    if (!galleries.answer) return (scale.value = style.scale); // there is nothing to hold yet
    style.scale = scale.value;
    style.held = galleries.held = scale.value === "held" ? { ...galleries.answer.largest } : null;
    return changed();
  });

  return style;
}
