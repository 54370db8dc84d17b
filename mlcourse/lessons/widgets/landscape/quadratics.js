// Closed forms for tasks whose losses are exact bowls, L(w) = ½ (w − m)ᵀ A (w − m), A = 2 · mean(x xᵀ).
// What a method does to a task is a function of A alone: along a direction of curvature c it pulls θ towards the minimum m
// with weight(c) times the distance. mlcourse/lessons/widgets/landscape/quadratics.py gets the same from the package's gradients.

export const SINGULAR = 1e-6; // of the strongest pull: less than this is none

// What is left of the distance to the minimum after the inner steps, along curvature c.
const left = (c, { inner_lr, inner_steps }) => (1 - inner_lr * c) ** inner_steps;
const near = (c, { lam }) => lam / (lam + c); // and of implicit MAML's φ, the minimum of L(φ) + λ/2 |φ − θ|²

const WEIGHTS = {
  maml: (c, how) => c * left(c, how) ** 2,
  "first-order": (c, how) => c * left(c, how),
  reptile: (c, how) => 1 - left(c, how),
  joint: (c) => c,
  implicit: (c, how) => c * near(c, how) ** 2,
};

const average = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// A symmetric matrix [[a, b], [b, d]] is [a, b, d] here.
const times = ([a, b, d], [x, y]) => [a * x + b * y, b * x + d * y];
const averageOf = (vectors) => vectors[0].map((_, i) => average(vectors.map((vector) => vector[i])));

// Its two strengths c, the larger first, each with the direction u that it belongs to.
export function axes([a, b, d]) {
  const half = Math.hypot((a - d) / 2, b), turn = Math.atan2(2 * b, a - d) / 2, u = [Math.cos(turn), Math.sin(turn)];
  return [{ c: (a + d) / 2 + half, u }, { c: (a + d) / 2 - half, u: [-u[1], u[0]] }];
}

// The matrix that has the same directions as a task's A, and weight(c) for each curvature c.
const weighted = (task, weight) => task.axes.reduce(([a, b, d], { c, u: [x, y] }) => {
  const w = weight(c);
  return [a + w * x * x, b + w * x * y, d + w * y * y];
}, [0, 0, 0]);

// A task from its inputs [[x1, x2], ...] and its minimum.
export function taskOf(inputs, minimum) {
  const second = averageOf(inputs.map(([x, y]) => [x * x, x * y, y * y]));
  const curvature = second.map((value) => 2 * value);
  return { minimum, curvature, axes: axes(curvature) };
}

// What a method does to θ, as means over the tasks. how: { inner_lr, inner_steps, lam }.
export function pull(method, tasks, how) {
  const each = tasks.map((task) => weighted(task, (c) => WEIGHTS[method](c, how)));
  return { matrix: averageOf(each), vector: averageOf(each.map((matrix, i) => times(matrix, tasks[i].minimum))) };
}

// Where it moves θ: down its gradient; Reptile to the mean of the φ.
export function direction({ matrix, vector }, theta) {
  const back = times(matrix, theta);
  return [vector[0] - back[0], vector[1] - back[1]];
}

// How it holds θ where its direction is zero: its weakest pull as a share of its strongest. Below zero it pushes θ away.
export function holdOf({ matrix }) {
  const [strong, weak] = axes(matrix);
  return weak.c / Math.max(Math.abs(strong.c), Math.abs(weak.c));
}

// The one place where its direction is zero, or null if it holds θ nowhere or along a line.
export function restOf({ matrix, vector }) {
  const [a, b, d] = matrix, determinant = a * d - b * b;
  return holdOf({ matrix }) > SINGULAR ? times([d / determinant, -b / determinant, a / determinant], vector) : null;
}

// Mean loss at a place; with method "maml", that after adapting from there: half its weight times the squared distance.
export const meanLoss = (tasks, how, place, method = "joint") => average(tasks.map((task) => {
  const [x, y] = [place[0] - task.minimum[0], place[1] - task.minimum[1]];
  return task.axes.reduce((sum, { c, u }) => sum + (WEIGHTS[method](c, how) * (u[0] * x + u[1] * y) ** 2) / 2, 0);
}));

// Where a task's copy of θ goes, from θ to φ; implicit MAML's goes straight.
export function pathOf(task, theta, how, method) {
  const shares = method === "implicit" ? [(c) => near(c, how)] : Array.from({ length: how.inner_steps }, (_, k) =>
    (c) => left(c, { ...how, inner_steps: k + 1 }));
  return [theta, ...shares.map((share) => {
    const away = times(weighted(task, share), [theta[0] - task.minimum[0], theta[1] - task.minimum[1]]);
    return [task.minimum[0] + away[0], task.minimum[1] + away[1]];
  })];
}

// inner_lr times the steepest curvature: above 1 an inner step jumps across the bottom, above 2 the steps diverge.
export const overshoot = (tasks, { inner_lr }) => inner_lr * Math.max(...tasks.map((task) => task.axes[0].c));
