// A drawing is a list of strokes {size, erase, points: [[x, y], …]}. All numbers are fractions of
// the pad's side, so that a drawing can be painted at any size.

export const UNITS = 1000; // coordinate steps per side of the pad; permalinks store whole steps

export const rounded = (fraction) => Math.round(fraction * UNITS) / UNITS;

// Paints a stroke, or its continuation from the point with index `first`.
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
