// What an answer looks like: scores, the image that the network sees, galleries, and one map large.

// A canvas that copies parts of sheets, pixel by pixel; the style sheet scales it up.
function makeCopy(canvas) {
  const context = canvas.getContext("2d");
  return (sheet, x, y, width, height) => {
    // Setting a size, even the same, makes the browser lay out the whole page again.
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    context.globalCompositeOperation = "copy";
    context.drawImage(sheet, x, y, width, height, 0, 0, width, height);
  };
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function makeGalleries(element, image, layers, gap) {
  const find = (selector) => element.querySelector(selector);
  const scores = [...element.querySelectorAll(".scores li")].map((row) => ({
    row,
    percent: row.querySelector(".percent"),
    bar: row.querySelector(".bar"),
  }));
  const copyImage = makeCopy(find(".seen canvas"));
  const copyLayer = layers.map((layer) => makeCopy(find(`.gallery.${layer.name} canvas`)));
  const copyOverview = makeCopy(find(".overview canvas"));
  const copyLarge = makeCopy(find(".large"));
  const largest = layers.map((layer) => find(`.gallery.${layer.name} .largest`));
  const zoom = find(".zoom");
  const galleries = { answer: null, held: null };
  let sheet = null;
  let asked = 0;
  let shown = 0; // pictures may be decoded in another order than they came
  let open = null; // {layer, map, from}: what is shown large, and where the focus goes back to

  // Draws a layer's mosaic somewhere else.
  galleries.paint = (context, { top, width, height }, x, y, scale) =>
    context.drawImage(sheet, 0, top, width, height, x, y, scale * width, scale * height);

  galleries.opened = () => open && { layer: open.layer.name, map: open.map };

  galleries.open = (name, map) => {
    const layer = layers.find((layer) => layer.name === name);
    if (layer && Number.isInteger(map) && map >= 0 && map < layer.maps) openZoom(layer, map);
  };

  galleries.show = async (answer, askedAt) => {
    const turn = ++asked;
    const picture = new Image();
    picture.src = answer.sheet;
    await picture.decode();
    if (turn < shown) return;
    shown = turn;
    sheet = picture;
    galleries.answer = answer;
    copyImage(sheet, 0, image.top, image.width, image.height);
    layers.forEach(({ name, top, width, height }, i) => {
      copyLayer[i](sheet, 0, top, width, height);
      // Where the scale is held, what its brightest colour stands for, and else the largest.
      const held = galleries.held?.[name];
      setText(largest[i], held === undefined ? `max ${answer.largest[name].toFixed(1)}` : `to ${held.toFixed(1)}`);
    });
    showScores(answer);
    if (open) drawZoom();
    element.dispatchEvent(new CustomEvent("shown", { detail: { answer, askedAt }, bubbles: true }));
  };

  function showScores({ digit, sure, probabilities }) {
    element.classList.toggle("unsure", !sure);
    const [reading, sureness] =
      digit === null ? ["–", "no ink"]
      : sure ? [String(digit), `${(100 * probabilities[digit]).toFixed(1)}%`]
      : ["?", "not sure"];
    setText(find(".digit"), reading);
    setText(find(".sure"), sureness);
    scores.forEach(({ row, percent, bar }, i) => {
      const value = digit === null ? 0 : probabilities[i];
      row.classList.toggle("winner", i === digit);
      setText(percent, (100 * value).toFixed(0));
      bar.style.transform = `scaleY(${value})`;
    });
  }

  // The map and the unit under a pointer, by the mosaic's geometry alone.
  function unitAt(layer, mosaic, event) {
    const box = mosaic.getBoundingClientRect();
    const at = (position, pixels) => {
      const pixel = Math.min(pixels - 1, Math.max(0, Math.floor(position * pixels)));
      const within = pixel % (layer.side + gap);
      return [Math.floor(pixel / (layer.side + gap)), Math.min(layer.side - 1, within)];
    };
    const [mapColumn, column] = at((event.clientX - box.left) / box.width, layer.width);
    const [mapRow, row] = at((event.clientY - box.top) / box.height, layer.height);
    return { layer, map: mapRow * layer.columns + mapColumn, row, column };
  }

  const point = (detail) => element.dispatchEvent(new CustomEvent("pointed", { detail }));

  const placeOf = (layer, map) => ({
    x: (map % layer.columns) * (layer.side + gap),
    y: Math.floor(map / layer.columns) * (layer.side + gap),
  });

  function frame(mosaic, layer, map) {
    const { x, y } = placeOf(layer, map);
    const { style } = mosaic.querySelector(".frame");
    style.left = `${(100 * x) / layer.width}%`;
    style.top = `${(100 * y) / layer.height}%`;
    style.width = `${(100 * layer.side) / layer.width}%`;
    style.height = `${(100 * layer.side) / layer.height}%`;
    mosaic.classList.add("framed");
  }

  const nameOf = (layer, map) =>
    layer.maps > 1 ? `map ${map} of 0–${layer.maps - 1}` : "units 0–1023, row by row";

  for (const layer of layers) {
    const figure = find(`.gallery.${layer.name}`);
    const mosaic = figure.querySelector(".mosaic");
    mosaic.addEventListener("pointermove", (event) => {
      const unit = unitAt(layer, mosaic, event);
      const { map } = unit;
      frame(mosaic, layer, map);
      point(unit);
      figure.classList.add("pointed");
      setText(figure.querySelector(".readout"), nameOf(layer, map));
    });
    mosaic.addEventListener("pointerleave", () => {
      mosaic.classList.remove("framed");
      point(null);
      figure.classList.remove("pointed");
      figure.querySelector(".readout").textContent = "";
    });
    mosaic.addEventListener("click", (event) => openZoom(layer, unitAt(layer, mosaic, event).map));
    mosaic.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        openZoom(layer, 0);
      }
    });
  }

  function openZoom(layer, map) {
    if (!galleries.answer) return;
    open = { layer, map, from: open?.from ?? document.activeElement };
    zoom.hidden = false;
    drawZoom();
    find(".zoom .close").focus({ preventScroll: true });
  }

  function closeZoom() {
    if (!open) return;
    open.from?.focus({ preventScroll: true });
    open = null;
    zoom.hidden = true;
  }

  function drawZoom() {
    const { layer, map } = open;
    const overview = find(".overview");
    overview.hidden = layer.maps === 1;
    overview.style.setProperty("--aspect", layer.width / layer.height);
    zoom.classList.toggle("wide", layer.columns > 3 * layer.rows);
    copyOverview(sheet, 0, layer.top, layer.width, layer.height);
    frame(overview, layer, map);
    find(".zoom .name").textContent = `${layer.title} ${layer.name}`;
    find(".zoom .readout").textContent = nameOf(layer, map);
    const { x, y } = placeOf(layer, map);
    copyLarge(sheet, x, y + layer.top, layer.side, layer.side);
  }

  find(".overview").addEventListener("click", (event) => {
    openZoom(open.layer, unitAt(open.layer, find(".overview"), event).map);
  });
  find(".large").addEventListener("pointermove", (event) => {
    const { layer, map } = open;
    const box = find(".large").getBoundingClientRect();
    const side = Math.min(box.width, box.height); // the picture is at the top left of its box
    const at = (position) => Math.floor((position / side) * layer.side);
    const [row, column] = [at(event.clientY - box.top), at(event.clientX - box.left)];
    if (Math.max(row, column) < layer.side) point({ layer, map, row, column });
  });
  find(".large").addEventListener("pointerleave", () => point(null));
  find(".zoom .close").addEventListener("click", closeZoom);

  // Returns whether the key was one of the zoom's.
  galleries.press = (key) => {
    if (!open) return false;
    const { layer, map } = open;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -layer.columns, ArrowDown: layer.columns };
    if (key === "Escape") closeZoom();
    else if (key in step) openZoom(layer, (map + step[key] + layer.maps) % layer.maps);
    else return false;
    return true;
  };

  return galleries;
}
