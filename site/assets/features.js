// The affinity explorer of the notebooks, on features that this page has computed.
import explorer from "./explorer.js";

// Lengths (P) and directions (P x C) of features (1, C, h, w), as the affinity explorer takes them.
function directions({ data, dims: [, channels, height, width] }) {
  const count = height * width;
  const norms = new Float32Array(count);
  const units = new Float32Array(count * channels);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < channels; c++) norms[i] += data[c * count + i] ** 2;
    norms[i] = Math.sqrt(norms[i]);
    for (let c = 0; c < channels; c++) units[i * channels + c] = data[c * count + i] / Math.max(norms[i], 1e-8);
  }
  return { norms, units };
}

// Arrays one after the other in one block of bytes, each with its place, as a kernel would send them.
function pack(arrays) {
  const layout = {};
  let end = 0;
  for (const [name, [array, ...shape]] of Object.entries(arrays)) {
    const offset = Math.ceil(end / 8) * 8;
    layout[name] = { offset, dtype: array instanceof Uint8Array ? "uint8" : "float32", shape };
    end = offset + array.byteLength;
  }
  const block = new Uint8Array(end);
  for (const [name, [array]] of Object.entries(arrays)) {
    block.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), layout[name].offset);
  }
  return [layout, new DataView(block.buffer)];
}

const state = { pins: [], source: "baseline", p: "2", q: 1, pooling: 1 }; // as the reader left it

/** Show the explorer in el: the input's bytes (height x width x 3) and the features by their names in facts; what is spoken. */
export function showExplorer(el, facts, bytes, [height, width], features, spoken) {
  const grid = features.sisr.dims.slice(2);
  const table = (name) => [Uint8Array.from(facts.colors[name]), 256, 3];
  const arrays = { image: [bytes, height, width, 3], similarity: table("similarity"), difference: table("difference") };
  [...facts.sources, "sisr"].forEach((source, i) => {
    const { norms, units } = directions(features[facts.features[i]]);
    const name = source === "sisr" ? "sisr" : `task:${source}`;
    arrays[`${name}:norms`] = [norms, norms.length];
    arrays[`${name}:units`] = [units, norms.length, units.length / norms.length];
  });
  const [layout, block] = pack(arrays);
  if (state.grid?.join() !== grid.join()) {
    Object.assign(state, { grid, position: grid.map((side) => Math.floor(side / 2)), pins: [] });
  }
  const values = {
    block, problem: "", state,
    facts: { arrays: layout, grid, sources: facts.sources, ...spoken, guide: {} },
  };
  const listeners = {};
  const model = { // what a kernel would be to the widget
    get: (name) => values[name],
    set: (name, value) => {
      values[name] = value;
      if (name === "state") Object.assign(state, value);
      for (const listener of listeners[`change:${name}`] ?? []) listener();
    },
    on: (name, listener) => (listeners[name] ??= []).push(listener),
    save_changes: () => {},
  };
  explorer.render({ model, el });
}
