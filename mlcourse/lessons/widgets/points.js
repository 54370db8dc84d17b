// Points of any dimension and how classes are told apart by them, as in mlcourse/reference/protonet.py.

export const meanOf = (points) => points[0].map((_, i) => points.reduce((sum, point) => sum + point[i], 0) / points.length);
export const squaredDistance = (a, b) => a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);

// log p of each class from its score.
export function logSoftmax(scores) {
  const best = Math.max(...scores), total = scores.reduce((sum, score) => sum + Math.exp(score - best), 0);
  return scores.map((score) => score - best - Math.log(total));
}
