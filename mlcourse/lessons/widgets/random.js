// Random numbers that are the same on every machine, for every browser: mulberry32, a generator with a state of 32 bits.

// A function that draws from the uniform distribution between two numbers. Equal seeds give equal draws.
export function uniforms(seed) {
  let state = seed;
  return (from, to) => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return from + ((to - from) * ((bits ^ (bits >>> 14)) >>> 0)) / 2 ** 32;
  };
}
