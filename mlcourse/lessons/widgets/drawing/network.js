// The network that recognises drawings, in plain arithmetic: four convolutions, then the nearest prototype.
// mlcourse/fast/folded.py computes the same with torch.

import { logSoftmax, squaredDistance } from "../points.js";

const BLOCKS = 4;
const NEIGHBOURS = 9; // a pixel and the eight around it

// The weights as the page carries them: float16 in base64, for each block first the kernels (outputs, inputs, 3, 3), then
// the biases. Gives the blocks that `embed` takes.
export function readNetwork({ channels, weights }) {
  const numbers = fromFloat16(Uint8Array.from(atob(weights), (letter) => letter.charCodeAt(0)));
  let read = 0;
  const take = (count) => numbers.subarray(read, (read += count));
  return Array.from({ length: BLOCKS }, (_, block) => {
    const inputs = block ? channels : 1;
    return { inputs, outputs: channels, kernels: take(channels * inputs * NEIGHBOURS), biases: take(channels) };
  });
}

// IEEE 754 half precision, little end first: a sign, 5 bits of exponent, 10 of fraction. No infinities among weights.
function fromFloat16(bytes) {
  return Float64Array.from({ length: bytes.length / 2 }, (_, i) => {
    const half = bytes[2 * i] | (bytes[2 * i + 1] << 8), exponent = (half >> 10) & 31, fraction = half & 1023;
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    return half >> 15 ? -size : size;
  });
}

// From an image, size * size numbers, to a point: as many numbers as the network has channels.
export function embed(network, image) {
  let size = Math.sqrt(image.length), planes = new Float64Array((size + 2) ** 2);
  for (let row = 0; row < size; row += 1) planes.set(image.subarray(row * size, (row + 1) * size), (row + 1) * (size + 2) + 1);
  for (const block of network) {
    planes = convolveAndPool(block, planes, size);
    size >>= 1;
  }
  const area = (size + 2) ** 2; // the last planes have one pixel each, in the middle of its border
  return Float64Array.from({ length: planes.length / area }, (_, channel) => planes[channel * area + size + 3]);
}

// One block: 3x3 convolution, ReLU, 2x2 max-pooling. Every plane has a border of zeros, one pixel wide.
function convolveAndPool({ inputs, outputs, kernels, biases }, planes, size) {
  const area = (size + 2) ** 2, half = size >> 1, sums = new Float64Array(size * size);
  const pooled = new Float64Array(outputs * (half + 2) ** 2);
  for (let output = 0; output < outputs; output += 1) {
    sums.fill(biases[output]);
    for (let input = 0; input < inputs; input += 1) {
      const first = (output * inputs + input) * NEIGHBOURS;
      addConvolved(sums, planes.subarray(input * area, (input + 1) * area), kernels.subarray(first, first + NEIGHBOURS), size);
    }
    pool(sums, size, pooled.subarray(output * (half + 2) ** 2, (output + 1) * (half + 2) ** 2));
  }
  return pooled;
}

function addConvolved(sums, plane, [a, b, c, d, e, f, g, h, i], size) {
  for (let row = 0; row < size; row += 1) {
    let above = row * (size + 2), here = above + size + 2, below = here + size + 2;
    for (let at = row * size; at < (row + 1) * size; at += 1, above += 1, here += 1, below += 1) {
      sums[at] += a * plane[above] + b * plane[above + 1] + c * plane[above + 2]
        + d * plane[here] + e * plane[here + 1] + f * plane[here + 2]
        + g * plane[below] + h * plane[below + 1] + i * plane[below + 2];
    }
  }
}

// The largest of every 2x2 pixels, or zero; of an odd size the last row and column are left out.
function pool(sums, size, plane) {
  const half = size >> 1;
  for (let row = 0; row < half; row += 1) {
    for (let column = 0; column < half; column += 1) {
      const at = 2 * row * size + 2 * column;
      plane[(row + 1) * (half + 2) + column + 1] = Math.max(0, sums[at], sums[at + 1], sums[at + size], sums[at + size + 1]);
    }
  }
}

// log p(class | point) for each class: the nearer its prototype, the likelier.
export const logProbabilities = (point, prototypes) => logSoftmax(prototypes.map((place) => -squaredDistance(point, place)));
