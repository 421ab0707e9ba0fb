// Sample pictures, drawn here so that nothing has to be downloaded. Each has edges, colours or
// frequencies that early layers respond to.

const TURN = 2 * Math.PI; // radians

function drawHouse(context, size) {
  const px = (fraction) => fraction * size;
  const sky = context.createLinearGradient(0, 0, 0, size);
  sky.addColorStop(0, "#4a90d9");
  sky.addColorStop(0.6, "#bfe0f5");
  sky.addColorStop(0.6, "#5d8a3c");
  sky.addColorStop(1, "#2f5220");
  context.fillStyle = sky;
  context.fillRect(0, 0, size, size);
  context.fillStyle = "#f6c945";
  context.beginPath();
  context.arc(px(0.8), px(0.2), px(0.1), 0, TURN);
  context.fill();
  context.fillStyle = "#c65b3c";
  context.fillRect(px(0.2), px(0.45), px(0.36), px(0.32));
  context.fillStyle = "#6b2d1f";
  context.beginPath();
  context.moveTo(px(0.14), px(0.45));
  context.lineTo(px(0.38), px(0.24));
  context.lineTo(px(0.62), px(0.45));
  context.fill();
  context.fillStyle = "#fff4c2";
  for (const x of [0.26, 0.43]) context.fillRect(px(x), px(0.52), px(0.08), px(0.09));
  context.fillStyle = "#3b2a1a";
  context.fillRect(px(0.345), px(0.63), px(0.07), px(0.14));
  context.strokeStyle = "#3b2a1a";
  context.lineWidth = px(0.02);
  for (let x = 0.66; x < 1; x += 0.06) {
    context.beginPath();
    context.moveTo(px(x), px(0.62));
    context.lineTo(px(x), px(0.76));
    context.stroke();
  }
}

// Every spatial frequency, in every direction.
function drawRings(context, size) {
  const image = context.createImageData(size, size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [dx, dy] = [x - size / 2, y - size / 2];
      const level = 127.5 + 127.5 * Math.cos((dx * dx + dy * dy) * (Math.PI / (3 * size)));
      image.data.set([level, level, level, 255], 4 * (y * size + x));
    }
  }
  context.putImageData(image, 0, 0);
}

function drawColours(context, size) {
  const hues = context.createConicGradient(0, size / 2, size / 2);
  for (let step = 0; step <= 12; step++) hues.addColorStop(step / 12, `hsl(${30 * step} 80% 55%)`);
  context.fillStyle = hues;
  context.fillRect(0, 0, size, size);
  const light = context.createRadialGradient(size / 2, size / 2, 0, size / 2, size / 2, size / 1.6);
  light.addColorStop(0, "rgb(255 255 255 / 0.9)");
  light.addColorStop(0.5, "rgb(255 255 255 / 0)");
  light.addColorStop(1, "rgb(0 0 0 / 0.9)");
  context.fillStyle = light;
  context.fillRect(0, 0, size, size);
}

export const SAMPLES = [
  { name: "House", draw: drawHouse },
  { name: "Rings", draw: drawRings },
  { name: "Colours", draw: drawColours },
];
