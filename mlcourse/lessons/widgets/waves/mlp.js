// The course's small network in plain arithmetic: layers with ReLU between them, forward and back, and steps of gradient
// descent on the mean squared error. `mlcourse.reference` computes the same with NumPy: networks.mlp, squared_error, adapt.
// Layers are [{ w, b }]: w (inputs, outputs), row after row, and b (outputs,). Examples stand in rows, too.

// Parameters as a page carries them: float32 in base64, little end first, for each layer its weights, then its biases.
export function readLayers({ sizes, numbers }) {
  const bytes = Uint8Array.from(atob(numbers), (letter) => letter.charCodeAt(0)), view = new DataView(bytes.buffer);
  let read = 0;
  const take = (count) => Float64Array.from({ length: count }, () => view.getFloat32(4 * read++, true));
  return sizes.slice(1).map((outputs, layer) => ({ w: take(sizes[layer] * outputs), b: take(outputs) }));
}

// What goes into each layer, and last what comes out: the inputs x, then the outputs of every layer.
function forward(layers, x) {
  const passed = [Float64Array.from(x)];
  layers.forEach(({ w, b }, layer) => {
    const h = passed[layer], inputs = w.length / b.length, rows = h.length / inputs, out = new Float64Array(rows * b.length);
    for (let r = 0; r < rows; r++) {
      for (let o = 0; o < b.length; o++) {
        let sum = b[o];
        for (let i = 0; i < inputs; i++) sum += h[r * inputs + i] * w[i * b.length + o];
        out[r * b.length + o] = layer < layers.length - 1 ? Math.max(0, sum) : sum;
      }
    }
    passed.push(out);
  });
  return passed;
}

export const predict = (layers, x) => forward(layers, x).at(-1);

export const squaredError = (guesses, y) => guesses.reduce((sum, guess, k) => sum + (guess - y[k]) ** 2, 0) / y.length;

// The gradient of the mean squared error, with the shapes of the layers. `slopes` is the loss's derivative with respect to
// what comes out of the layer at hand, walked back from the last layer to the first.
export function gradient(layers, x, y) {
  const passed = forward(layers, x), found = [];
  let slopes = passed.at(-1).map((guess, k) => (2 * (guess - y[k])) / y.length);
  for (let layer = layers.length - 1; layer >= 0; layer--) {
    const { w, b } = layers[layer], h = passed[layer], outputs = b.length, inputs = w.length / outputs;
    const into = { w: new Float64Array(w.length), b: new Float64Array(outputs) }, before = new Float64Array(h.length);
    for (let k = 0; k < slopes.length; k++) {
      const o = k % outputs, first = ((k - o) / outputs) * inputs; // the output, and where this example's inputs begin
      into.b[o] += slopes[k];
      for (let i = 0; i < inputs; i++) {
        into.w[i * outputs + o] += h[first + i] * slopes[k];
        if (h[first + i] > 0) before[first + i] += w[i * outputs + o] * slopes[k]; // ReLU lets back what it let through
      }
    }
    found.unshift(into);
    slopes = before;
  }
  return found;
}

// θ, then where each of so many steps of gradient descent leads.
export function descend(layers, x, y, rate, steps) {
  const path = [layers];
  for (let step = 0; step < steps; step++) {
    const at = path[step], slopes = gradient(at, x, y);
    path.push(at.map(({ w, b }, layer) => ({
      w: w.map((value, k) => value - rate * slopes[layer].w[k]),
      b: b.map((value, k) => value - rate * slopes[layer].b[k]),
    })));
  }
  return path;
}
