// A drawing is a list of strokes, and a stroke {size, erase, points: [[x, y], …]}, where all
// numbers are fractions of the pad's side: it can be drawn at any size, undone, and kept.

export const UNITS = 1000; // a side of the pad: no number is finer, so that a link can hold them all

export const rounded = (fraction) => Math.round(fraction * UNITS) / UNITS;

export function drawStroke(context, stroke, first = 0) {
  const side = context.canvas.width;
  const points = stroke.points.slice(Math.max(0, first - 1));
  context.globalCompositeOperation = stroke.erase ? "destination-out" : "source-over";
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = stroke.size * side;
  context.beginPath();
  context.moveTo(points[0][0] * side + 0.01, points[0][1] * side); // a dot needs some length
  for (const [x, y] of points) context.lineTo(x * side, y * side);
  context.stroke();
}

export function drawAll(context, strokes) {
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  for (const stroke of strokes) drawStroke(context, stroke);
}
