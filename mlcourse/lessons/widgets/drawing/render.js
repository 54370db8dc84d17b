// From the strokes of a pen to the image that the network sees: the arithmetic of mlcourse/tasks/drawings.py in the same
// order, so that both give the same numbers to the last bit. A browser's own drawing would differ from one to the next.

export const SIDE = 28; // pixels of the image
const LONGER = 20; // pixels from end to end of the drawing's longer side
const REACH = 1.5; // half the pen's width and half a pixel: how far from the middle of a line there is ink

// strokes: [[[x, y], ...], ...], x to the right, y down, in any unit. Gives SIDE * SIDE numbers, 0 paper to 1 ink.
export function render(strokes) {
  const nearest = new Float64Array(SIDE * SIDE).fill(REACH * REACH); // squared distances
  for (const stroke of placed(strokes)) {
    if (stroke.length === 1) inkPiece(nearest, stroke[0], stroke[0]);
    for (let i = 1; i < stroke.length; i += 1) inkPiece(nearest, stroke[i - 1], stroke[i]);
  }
  return nearest.map((square) => Math.max(0, Math.min(1, REACH - Math.sqrt(square))));
}

// Centred and scaled: points in pixels of the image.
function placed(strokes) {
  const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
  for (const point of strokes.flat()) {
    for (const axis of [0, 1]) {
      low[axis] = Math.min(low[axis], point[axis]);
      high[axis] = Math.max(high[axis], point[axis]);
    }
  }
  const span = Math.max(high[0] - low[0], high[1] - low[1]) || 1;
  const at = (value, axis) => ((value - (low[axis] / 2 + high[axis] / 2)) / span) * LONGER + SIDE / 2;
  return strokes.map((stroke) => stroke.map(([x, y]) => [at(x, 0), at(y, 1)]));
}

// Every pixel near the piece learns how far from it its centre is, if no other piece is nearer.
function inkPiece(nearest, [startX, startY], [endX, endY]) {
  const [alongX, alongY] = [endX - startX, endY - startY], length = alongX * alongX + alongY * alongY || 1;
  const from = (a, b) => Math.max(0, Math.floor(Math.min(a, b) - REACH));
  const to = (a, b) => Math.min(SIDE - 1, Math.ceil(Math.max(a, b) + REACH));
  for (let row = from(startY, endY); row <= to(startY, endY); row += 1) {
    for (let column = from(startX, endX); column <= to(startX, endX); column += 1) {
      const [fromX, fromY] = [column + 0.5 - startX, row + 0.5 - startY];
      const share = Math.max(0, Math.min(1, (fromX * alongX + fromY * alongY) / length)); // of the way along it
      const [x, y] = [fromX - share * alongX, fromY - share * alongY], square = x * x + y * y;
      if (square < nearest[row * SIDE + column]) nearest[row * SIDE + column] = square;
    }
  }
}
