// What all widgets of DSRL Lab share. Python puts this file in front of a widget's own: one ES module, nothing fetched.

// An element with attributes and children; what is a function becomes a guarded listener.
function node(root, tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, guarded(root, value), { passive: false });
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Errors inside callbacks are shown to the reader, never swallowed.
function complain(root, message) {
  let box = root.querySelector(":scope > .dl-problem");
  if (!box) {
    box = document.createElement("div");
    box.className = "dl-problem";
    box.setAttribute("role", "alert");
    root.prepend(box);
  }
  box.textContent = message;
  box.hidden = !message;
}

function guarded(root, action) {
  return (...given) => {
    try {
      return action(...given);
    } catch (error) {
      complain(root, `This widget failed: ${error.message}. Run the cell again; if it stays, please report it.`);
    }
  };
}

// The arrays that ride in the block of bytes, by name; float16 is widened once.
function readArrays(model) {
  const view = model.get("block");
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer;
  const found = {};
  for (const [name, { offset, dtype, shape }] of Object.entries(model.get("facts").arrays)) {
    const length = shape.reduce((a, b) => a * b, 1);
    if (dtype === "uint8") found[name] = new Uint8Array(bytes, offset, length);
    else if (dtype === "float32") found[name] = new Float32Array(bytes, offset, length);
    else found[name] = widen(new Uint16Array(bytes, offset, length));
  }
  return found;
}

function widen(halves) {
  const wide = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const h = halves[i];
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    wide[i] = h >> 15 ? -size : size;
  }
  return wide;
}

// Paint numbers on a canvas through a table of 256 colours.
function paint(canvas, values, height, width, colors, low, high) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const factor = 255 / (high - low);
  for (let i = 0; i < width * height; i++) {
    const index = 3 * Math.max(0, Math.min(255, Math.round((values[i] - low) * factor)));
    pixels.data[4 * i] = colors[index];
    pixels.data[4 * i + 1] = colors[index + 1];
    pixels.data[4 * i + 2] = colors[index + 2];
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}

// Paint an RGB picture of bytes.
function paintPicture(canvas, rgb, height, width) {
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    pixels.data[4 * i] = rgb[3 * i];
    pixels.data[4 * i + 1] = rgb[3 * i + 1];
    pixels.data[4 * i + 2] = rgb[3 * i + 2];
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}

// A labelled choice.
function choice(root, label, options, value, onChange) {
  const select = node(root, "select", { "aria-label": label, change: () => onChange(select.value) });
  for (const [key, text] of options) select.append(node(root, "option", { value: key }, text));
  select.value = value;
  return { element: node(root, "label", { class: "dl-choice" }, node(root, "span", {}, label), select), select };
}

// Where in an element, as shares of its height and width in [0, 1).
function shares(event, element) {
  const box = element.getBoundingClientRect();
  const inside = (x) => Math.max(0, Math.min(0.999999, x));
  return [inside((event.clientY - box.top) / box.height), inside((event.clientX - box.left) / box.width)];
}

// Arrow keys as steps (dy, dx); null for other keys. JupyterLab would move its cell selection: the event stops here.
function arrow(event) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return null;
  event.preventDefault();
  event.stopPropagation();
  const far = event.shiftKey ? 5 : 1;
  return [step[0] * far, step[1] * far];
}

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const signed = (value, digits = 2) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(digits);

// The frame of every widget: a region with a name, a place for problems, and an announcement for screen readers.
function frame(model, el, draw) {
  const root = document.createElement("div");
  root.className = "dl";
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", model.get("facts").title);
  root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab's keys stay out of the widget
  root.addEventListener("keydown", (event) => event.stopPropagation()); // after the widget's own listeners
  el.replaceChildren(root);
  const live = node(root, "div", { class: "dl-live", "aria-live": "polite", role: "status" });
  guarded(root, () => draw(root, live))();
  root.append(live);
  const problem = guarded(root, () => complain(root, model.get("problem")));
  model.on("change:problem", problem);
  if (model.get("problem")) problem();
  return root;
}

function change(model, values) {
  model.set("state", { ...model.get("state"), ...values });
  model.save_changes();
}
