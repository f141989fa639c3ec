// "Try it": the reader's own picture through the kit's networks, in this browser alone.
import * as ort from "./ort.wasm.bundle.min.mjs";
import { showExplorer } from "./features.js";
import { classes, inputSize, paintBytes, paintMask, readPicture, reduce, toBytes } from "./picture.js";

const TIMED = 5; // runs of which the median is shown
const NETWORKS = ["baseline", "dsrl"];
const find = (name) => document.querySelector(`[data-part="${name}"]`);
const texts = JSON.parse(find("texts").textContent);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const assets = new URL("./", import.meta.url);
const next = () => new Promise((resolve) => setTimeout(resolve)); // lets the browser paint

let facts, colors, sessions, picture, result;
let running = false;
let again = false;

function say(text, share) {
  find("status").textContent = text;
  find("progress").hidden = share === undefined;
  if (share !== undefined) find("progress").value = share;
}

function complain(error) {
  find("problem").textContent = error.message;
  find("problem").hidden = false;
  say("");
}

// Any step that fails is shown to the reader; the page stays as it was.
const guarded = (action) => async (...given) => {
  find("problem").hidden = true;
  try {
    await action(...given);
  } catch (error) {
    complain(error);
  }
};

async function download(name, tell) {
  const response = await fetch(new URL(name, assets));
  if (!response.ok) throw new Error(fill(texts.missing, { name, status: response.status }));
  const parts = [];
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    tell(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function load() {
  if (typeof WebAssembly === "undefined") throw new Error(texts.too_old);
  facts = await (await fetch(new URL("facts.json", assets))).json();
  colors = facts.classes.map(({ color }) => color);
  const all = Object.values(facts.bytes).reduce((a, b) => a + b, 0);
  let got = 0;
  const tell = (bytes) => {
    got += bytes;
    say(fill(texts.loading, { got: (got / 1e6).toFixed(1), all: (all / 1e6).toFixed(1) }), got / all);
  };
  const names = Object.keys(facts.bytes);
  const files = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await download(name, tell)])));
  say(texts.starting);
  await next();
  ort.env.wasm.numThreads = 1; // more need headers that a plain server does not send
  ort.env.wasm.wasmBinary = files["ort-wasm-simd-threaded.wasm"];
  sessions = {};
  for (const name of [...NETWORKS, "features"]) {
    sessions[name] = await ort.InferenceSession.create(files[`${name}.onnx`]);
  }
}

const chosenSize = () => inputSize(picture, Number(find("size").value), facts.sizes.step);

function showSize() {
  const [height, width] = chosenSize();
  find("size-words").textContent = `${height} × ${width}`;
  find("size").setAttribute("aria-valuetext", `${height} × ${width}`);
  for (const name of NETWORKS) {
    find(`${name}-macs`).textContent = ((facts.macs_per_pixel[name] * height * width) / 1e6).toFixed(1);
  }
}

// The outputs of both networks, and the median of their times; in turns, so that a busy moment does not meet one alone.
async function timed(image) {
  const outputs = {};
  const took = { baseline: [], dsrl: [] };
  for (let i = 0; i <= TIMED; i++) {
    for (const name of NETWORKS) {
      await next();
      const began = performance.now();
      outputs[name] = await sessions[name].run({ image });
      took[name].push(performance.now() - began);
    }
  }
  const median = (times) => times.slice(1).sort((a, b) => a - b)[(TIMED - 1) / 2]; // the first run warms up
  return [outputs, { baseline: median(took.baseline), dsrl: median(took.dsrl) }];
}

// Run both networks and the features on the picture; a wish that comes meanwhile is followed afterwards.
async function run() {
  again = running;
  if (running) return;
  running = true;
  find("results").setAttribute("aria-busy", "true");
  try {
    const [height, width] = chosenSize();
    say(fill(texts.running, { size: `${height} × ${width}` }));
    await next();
    const values = reduce(picture, height, width);
    const image = new ort.Tensor("float32", values, [1, 3, height, width]);
    const [outputs, milliseconds] = await timed(image);
    const features = await sessions.features.run({ image });
    const masks = { baseline: classes(outputs.baseline.logits), dsrl: classes(outputs.dsrl.logits) };
    result = globalThis.lastRun = { image, outputs, masks, milliseconds, features }; // for the curious, on the console
    showResult();
  } finally {
    running = false;
    find("results").removeAttribute("aria-busy");
  }
  if (again) await run();
}

function showResult() {
  const { image, masks, milliseconds } = result;
  const [height, width] = image.dims.slice(2);
  const bytes = toBytes(image.data);
  paintBytes(find("input"), height, width, bytes);
  for (const name of NETWORKS) {
    find(`${name}-output`).textContent = `${masks[name].height} × ${masks[name].width}`;
    find(`${name}-time`).textContent = milliseconds[name].toFixed(milliseconds[name] < 10 ? 1 : 0);
  }
  showSize();
  showMasks();
  showLegend();
  showExplorer(find("explorer"), facts, bytes, [height, width], result.features, texts.explorer);
  const [a, b] = NETWORKS.map((name) => Math.round(milliseconds[name]));
  say(fill(texts.done, { size: `${height} × ${width}`, a, b }));
}

function showMasks() {
  if (!result) return;
  const opacity = Number(find("opacity").value) / 100;
  for (const name of NETWORKS) paintMask(find(name), picture, result.masks[name], colors, opacity);
}

function showLegend() {
  const shares = NETWORKS.map((name) => {
    const { ids } = result.masks[name];
    const counts = new Array(colors.length).fill(0);
    for (const id of ids) counts[id]++;
    return counts.map((count) => (100 * count) / ids.length);
  });
  find("legend").replaceChildren(...facts.classes.map(({ name, color }, id) => {
    const row = document.createElement("tr");
    const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
    swatch.style.background = `rgb(${color.join()})`;
    const head = Object.assign(document.createElement("th"), { scope: "row" });
    head.append(swatch, texts.names[name]);
    row.append(head, ...shares.map((share) => Object.assign(document.createElement("td"), { textContent: share[id].toFixed(1) })));
    return row;
  }));
}

const take = guarded(async (blob) => {
  const read = await readPicture(blob, texts);
  picture = read;
  showSize();
  await run();
});
const takeStreet = async () => take(await (await fetch(new URL("street.png", assets))).blob());

function listen() {
  find("file").addEventListener("change", async ({ target }) => {
    if (target.files.length) await take(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  find("street").addEventListener("click", takeStreet);
  find("size").addEventListener("input", showSize);
  find("size").addEventListener("change", guarded(run));
  find("opacity").addEventListener("input", showMasks);
  const drop = find("drop");
  for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      event.preventDefault(); // else the browser leaves the page for the picture
      drop.classList.toggle("over", type === "dragenter" || type === "dragover");
      if (type === "drop" && event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    });
  }
}

await guarded(async () => {
  await load();
  Object.assign(find("size"), { min: facts.sizes.least, max: facts.sizes.most, step: facts.sizes.step, value: facts.sizes.default });
  listen();
  await takeStreet();
  for (const control of document.querySelectorAll("[data-part=controls] :disabled")) control.disabled = false;
})();
