// The gradients of MAML and of pooled training, and Adam, in plain arithmetic that is written to be quick: parameters lie in
// one flat Float64Array, in the order w0 b0 w1 b1 w2 b2, and nothing is allocated in a step. `mlcourse.reference` computes
// the same with NumPy: maml.meta_loss_and_gradient, value_and_grad, adam.update.
// The functions use nothing from outside them but each other: their text travels into a worker (run.js).

// A network of one input, two hidden layers of n units with ReLU, and one output, with the mean squared error as its loss.
// x and y hold the examples. `room(rows)` is where a pass leaves what the next one needs: forward, then backward, then curve.
export function network(n) {
  const w0 = 0, b0 = n, w1 = 2 * n, b1 = w1 + n * n, w2 = b1 + n, b2 = w2 + n;
  const e2 = new Float64Array(n), r1 = new Float64Array(n), r2 = new Float64Array(n), q2 = new Float64Array(n);
  const room = (rows) => ({ h1: new Float64Array(rows * n), h2: new Float64Array(rows * n), off: new Float64Array(rows) });

  // The loss. Leaves the outputs h1, h2 of the hidden layers, and by how much each guess is off.
  function forward(theta, x, y, { h1, h2, off }) {
    const rows = x.length;
    let total = 0;
    for (let row = 0; row < rows; row++) {
      const at = row * n;
      for (let o = 0; o < n; o++) h2[at + o] = theta[b1 + o];
      for (let i = 0; i < n; i++) {
        const h = theta[b0 + i] + x[row] * theta[w0 + i], from = w1 + i * n;
        h1[at + i] = h > 0 ? h : 0;
        if (h > 0) for (let o = 0; o < n; o++) h2[at + o] += h * theta[from + o];
      }
      let guess = theta[b2];
      for (let o = 0; o < n; o++) {
        if (h2[at + o] > 0) guess += h2[at + o] * theta[w2 + o];
        else h2[at + o] = 0;
      }
      off[row] = guess - y[row];
      total += off[row] * off[row];
    }
    return total / rows;
  }

  // Adds `share` times the gradient of the loss to `into`. e2: the loss's derivative with respect to what enters layer 2's ReLU.
  function backward(theta, x, { h1, h2, off }, into, share) {
    const rows = x.length;
    for (let row = 0; row < rows; row++) {
      const at = row * n, slope = (2 * off[row] * share) / rows;
      into[b2] += slope;
      for (let o = 0; o < n; o++) {
        const on = h2[at + o] > 0;
        e2[o] = on ? slope * theta[w2 + o] : 0;
        into[w2 + o] += h2[at + o] * slope;
        into[b1 + o] += e2[o];
      }
      for (let i = 0; i < n; i++) {
        const h = h1[at + i], from = w1 + i * n;
        if (h === 0) continue;
        let e1 = 0;
        for (let o = 0; o < n; o++) {
          e1 += theta[from + o] * e2[o];
          into[from + o] += h * e2[o];
        }
        into[w0 + i] += x[row] * e1;
        into[b0 + i] += e1;
      }
    }
  }

  // Adds `share` times H v to `into`, H being the Hessian of the loss. This is the R-operator: R{f} is how fast f changes
  // when theta moves along v, R{f}(theta) = d/dt f(theta + t v) at t = 0, and R{gradient} = H v. Going through forward and
  // backward line by line, by the product rule, r1 = R{h1}, r2 = R{h2}, q2 = R{e2}; a ReLU lets R through where it lets h through.
  function curve(theta, v, x, { h1, h2, off }, into, share) {
    const rows = x.length;
    for (let row = 0; row < rows; row++) {
      const at = row * n, slope = (2 * off[row] * share) / rows;
      for (let o = 0; o < n; o++) r2[o] = v[b1 + o];
      for (let i = 0; i < n; i++) {
        const h = h1[at + i], from = w1 + i * n;
        if (h === 0) continue;
        const r = v[b0 + i] + x[row] * v[w0 + i];
        r1[i] = r;
        for (let o = 0; o < n; o++) r2[o] += r * theta[from + o] + h * v[from + o];
      }
      let guess = v[b2];
      for (let o = 0; o < n; o++) {
        if (h2[at + o] > 0) guess += r2[o] * theta[w2 + o] + h2[at + o] * v[w2 + o];
        else r2[o] = 0;
      }
      const bend = (2 * guess * share) / rows; // R{slope}
      into[b2] += bend;
      for (let o = 0; o < n; o++) {
        const on = h2[at + o] > 0;
        e2[o] = on ? slope * theta[w2 + o] : 0;
        q2[o] = on ? bend * theta[w2 + o] + slope * v[w2 + o] : 0;
        into[w2 + o] += r2[o] * slope + h2[at + o] * bend;
        into[b1 + o] += q2[o];
      }
      for (let i = 0; i < n; i++) {
        const h = h1[at + i], r = r1[i], from = w1 + i * n;
        if (h === 0) continue;
        let q1 = 0;
        for (let o = 0; o < n; o++) {
          q1 += theta[from + o] * q2[o] + v[from + o] * e2[o];
          into[from + o] += r * e2[o] + h * q2[o];
        }
        into[w0 + i] += x[row] * q1;
        into[b0 + i] += q1;
      }
    }
  }

  return { size: b2 + 1, room, forward, backward, curve };
}

// Two functions that set `into` to a gradient, of the mean over the tasks, and return that mean loss. A task is { support, query },
// each { x, y }. rows: the most examples that one of them, or both together, have.
export function gradients(net, rows, rate) {
  const first = net.room(rows), second = net.room(rows), phi = new Float64Array(net.size);
  const down = new Float64Array(net.size), slope = new Float64Array(net.size);

  // MAML, of second order, through one inner step phi = theta - rate * g_support(theta):
  //   d/dtheta L_query(phi(theta)) = (I - rate * H_support(theta)) g_query(phi)
  //                                = g_query(phi) - rate * H_support(theta) g_query(phi),
  // for the Hessian H is symmetric. So the matrix H is never needed, only its product with one vector.
  function maml(theta, tasks, into) {
    let total = 0;
    into.fill(0);
    for (const { support, query } of tasks) {
      net.forward(theta, support.x, support.y, first);
      down.fill(0);
      net.backward(theta, support.x, first, down, 1);
      for (let k = 0; k < phi.length; k++) phi[k] = theta[k] - rate * down[k];
      total += net.forward(phi, query.x, query.y, second);
      slope.fill(0);
      net.backward(phi, query.x, second, slope, 1 / tasks.length);
      for (let k = 0; k < phi.length; k++) into[k] += slope[k];
      net.curve(theta, slope, support.x, first, into, -rate);
    }
    return total / tasks.length;
  }

  // Pooled training: the loss of all examples, with no inner step.
  function pooled(theta, tasks, into) {
    let total = 0;
    into.fill(0);
    for (const { both } of tasks) {
      total += net.forward(theta, both.x, both.y, first);
      net.backward(theta, both.x, first, into, 1 / tasks.length);
    }
    return total / tasks.length;
  }

  // The loss on a task's query examples before an inner step and after it.
  function aroundOneStep(theta, { support, query }) {
    const before = net.forward(theta, query.x, query.y, second);
    net.forward(theta, support.x, support.y, first);
    phi.set(theta);
    net.backward(theta, support.x, first, phi, -rate);
    return [before, net.forward(phi, query.x, query.y, second)];
  }

  return { maml, pooled, aroundOneStep };
}

// Adam (Kingma and Ba, 2015), with the constants of mlcourse.reference.adam: a function that moves theta down a gradient.
export function adam(size) {
  const mean = new Float64Array(size), square = new Float64Array(size);
  let steps = 0;
  return (theta, gradient, rate) => {
    steps += 1;
    const scale1 = 1 / (1 - 0.9 ** steps), scale2 = 1 / (1 - 0.999 ** steps);
    for (let k = 0; k < size; k++) {
      const g = gradient[k];
      mean[k] = 0.9 * mean[k] + (1 - 0.9) * g;
      square[k] = 0.999 * square[k] + (1 - 0.999) * g * g;
      theta[k] -= (rate * mean[k] * scale1) / (Math.sqrt(square[k] * scale2) + 1e-8);
    }
  };
}
