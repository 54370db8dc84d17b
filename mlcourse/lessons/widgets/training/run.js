// Meta-training that never blocks the page: one generator of small pieces of work, which runs in a Web Worker. The worker is made
// from the text of the functions below, so that it needs no file beside the page; where a page forbids workers, the same
// pieces are done on the page itself, in short slices.

import { adam, gradients, network } from "./maml.js";
import { uniforms } from "../random.js";

const SLICE = { worker: 100, page: 10 }; // milliseconds between two looks at whether to pause

// One wave of the family and examples of it, as { support, query, both }: each { x, y }.
export function drawTask(uniform, { amplitude, phase, input }, shots, queries) {
  const height = uniform(...amplitude), shift = uniform(...phase);
  const examples = (x) => ({ x, y: x.map((value) => height * Math.sin(value - shift)) });
  const both = examples(Float64Array.from({ length: shots + queries }, () => uniform(...input)));
  const part = (from, to) => ({ x: both.x.subarray(from, to), y: both.y.subarray(from, to) });
  return { support: part(0, shots), query: part(shots), both };
}

// MAML and pooled training from one theta on the same tasks, by Adam with a rate that falls in a straight line to zero.
// Yields after every small piece of work: nothing, or every so many meta-steps a report { step, losses, thetas }. Its losses,
// [before, after] one inner step, are means over the query sets of `judged` tasks that nobody trains on.
export function* metaTraining({ theta, units, seed, settings, judged, family }) {
  const { meta_steps, meta_batch_size, k_shot, n_query, inner_lr, meta_lr, report_every } = settings;
  const net = network(units), uniform = uniforms(seed), unseen = uniforms(judged.seed);
  const sets = gradients(net, Math.max(k_shot + n_query, judged.k_shot, judged.n_query), inner_lr), into = new Float64Array(net.size);
  const test = Array.from({ length: judged.n_tasks }, () => drawTask(unseen, family, judged.k_shot, judged.n_query));
  const methods = ["maml", "pooled"], thetas = {}, move = {};
  for (const m of methods) [thetas[m], move[m]] = [Float64Array.from(theta), adam(net.size)];

  for (let step = 0; step <= meta_steps; step++) {
    if (step % report_every === 0 || step === meta_steps) {
      const losses = { maml: [0, 0], pooled: [0, 0] };
      for (const task of test) {
        for (const m of methods) sets.aroundOneStep(thetas[m], task).forEach((loss, k) => { losses[m][k] += loss / test.length; });
        yield null;
      }
      yield { step, losses, thetas: { maml: thetas.maml.slice(), pooled: thetas.pooled.slice() } };
    }
    if (step === meta_steps) return;
    const tasks = Array.from({ length: meta_batch_size }, () => drawTask(uniform, family, k_shot, n_query));
    for (const m of methods) {
      sets[m](thetas[m], tasks, into);
      move[m](thetas[m], into, meta_lr * (1 - step / meta_steps));
      yield null;
    }
  }
}

// Does the work in slices of so many milliseconds, and tells what it yields.
export function drive(work, tell, slice) {
  let timer = null;
  const turn = () => {
    const until = performance.now() + slice;
    let next;
    do {
      next = work.next();
      if (next.value) tell(next.value);
    } while (!next.done && performance.now() < until);
    timer = next.done ? null : setTimeout(turn, 0);
  };
  return {
    go: () => { timer ??= setTimeout(turn, 0); },
    pause: () => { clearTimeout(timer); timer = null; },
  };
}

// What a worker does: the first message says what to train, the others whether to go on.
function listenInWorker(slice) {
  let engine = null;
  self.onmessage = ({ data }) => {
    if (data.given) engine = drive(metaTraining(data.given), (report) => self.postMessage(report), slice);
    if (data.going) engine.go();
    else engine.pause();
  };
}

function openWorker() {
  const parts = [uniforms, network, gradients, adam, drawTask, metaTraining, drive, listenInWorker];
  const text = `${parts.map(String).join("\n")}\nlistenInWorker(${SLICE.worker});`;
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    return { worker: new Worker(url), forget: () => URL.revokeObjectURL(url) };
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  }
}

// A training that has not begun. tell(report) hears of it; go, pause and end govern it; place() says where it runs.
export function trainer(given, tell) {
  let opened = null, engine = null, going = false, heard = false;
  const here = () => {
    opened = null;
    engine = drive(metaTraining(given), tell, SLICE.page);
    if (going) engine.go();
  };
  const set = (yes) => {
    going = yes;
    if (opened) opened.worker.postMessage({ going });
    else if (going) engine.go();
    else engine.pause();
  };
  try {
    opened = openWorker();
    opened.worker.onmessage = ({ data }) => {
      if (!heard) opened.forget(); // the worker has read its text
      heard = true;
      tell(data);
    };
    opened.worker.onerror = (event) => { // some browsers say so late that a page forbids workers
      if (heard) return;
      event.preventDefault();
      opened.forget();
      here();
    };
    opened.worker.postMessage({ given, going });
  } catch {
    here();
  }
  return {
    go: () => set(true),
    pause: () => set(false),
    end: () => {
      set(false);
      opened?.worker.terminate();
    },
    place: () => (opened ? "worker" : "page"),
  };
}
