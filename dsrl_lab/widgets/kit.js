// What all widgets of DSRL Lab share. Python puts this file in front of a widget's own: one ES module, nothing fetched.
export default { render }; // the widget's own function

// A text in the reader's language, English where there is none, with values for its {places}.
let texts = {};
const say = (text, values = {}) =>
  (texts[text] || text).replace(/\{(\w+)\}/g, (_, name) => values[name])
    .replace(/(?<=\p{Script=Han}) (?=\p{Script=Han})/gu, ""); // Chinese names in Chinese texts

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const signed = (value, digits = 2) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(digits);

// Errors inside callbacks are shown to the reader, never hidden.
function complain(root, message) {
  let box = root.querySelector(":scope > .dl-problem");
  if (!box) root.prepend(box = node(root, "div", { class: "dl-problem", role: "alert" }));
  box.textContent = message;
  box.hidden = !message;
}

function guarded(root, action) {
  return (...given) => {
    try {
      return action(...given);
    } catch (error) {
      complain(root, say("This widget failed: {error}. Run the cell again; if it stays, please report it.", { error: error.message }));
    }
  };
}

function listen(root, element, listeners) {
  for (const [type, action] of Object.entries(listeners)) {
    element.addEventListener(type, guarded(root, action), { passive: false });
  }
}

// An element with attributes and children; a function becomes a guarded listener, "html" is markup of our own.
function node(root, tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") listen(root, made, { [name]: value });
    else if (name === "html") made.innerHTML = value;
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// The arrays that cross in the block of bytes, by name; float16 is widened once.
function readArrays(model) {
  const view = model.get("block");
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer;
  const found = {};
  for (const [name, { offset, dtype, shape }] of Object.entries(model.get("facts").arrays)) {
    const length = shape.reduce((a, b) => a * b, 1);
    if (dtype === "uint8") found[name] = new Uint8Array(bytes, offset, length);
    else if (dtype === "float32") found[name] = new Float32Array(bytes, offset, length);
    else found[name] = Float32Array.from(new Uint16Array(bytes, offset, length), widened);
  }
  return found;
}

function widened(half) {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  return half >> 15 ? -size : size;
}

// Paint a canvas: color(i, c) is channel c of pixel i, 0 to 255.
function paint(canvas, height, width, color) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = color(i, c);
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}
const rgbOf = (bytes) => (i, c) => bytes[3 * i + c];
const mapped = (values, colors, low, high) => (i, c) =>
  colors[3 * clamp(Math.round((255 * (values[i] - low)) / (high - low)), 0, 255) + c];

function choice(root, label, options, onChange) {
  const select = node(root, "select", { "aria-label": label, change: () => onChange(select.value) },
    ...options.map(([value, text]) => node(root, "option", { value }, text)));
  return { select, element: node(root, "label", { class: "dl-choice" }, node(root, "span", {}, label), select) };
}

// A button that is off keeps the focus: a disabled one would hand the keys to JupyterLab.
function button(root, attributes, press, ...children) {
  const made = node(root, "button", { type: "button", ...attributes,
    click: () => made.getAttribute("aria-disabled") === "true" || press() }, ...children);
  return made;
}

function swatch(root, color) {
  return node(root, "span", { class: "dl-swatch", style: `background: rgb(${[...color].join()})` });
}

// A titled picture to point at, with a mark on it.
function panel(root, name, title, crisp = false) {
  const canvas = node(root, "canvas", { class: crisp && "dl-crisp", "aria-hidden": "true" });
  const mark = node(root, "div", { class: "dl-mark" });
  const surface = node(root, "div", { class: "dl-surface" }, canvas, mark);
  return { canvas, mark, surface, element: node(root, "div", { class: "dl-panel", "data-panel": name }, title, surface) };
}

// Put a mark on [top, left, rows, columns] of a grid.
function place(mark, [top, left, rows, columns], [height, width]) {
  Object.assign(mark.style, {
    top: `${(100 * (top + rows / 2)) / height}%`, left: `${(100 * (left + columns / 2)) / width}%`,
    height: `${(100 * rows) / height}%`, width: `${(100 * columns) / width}%`,
  });
}

// Make an element a slider over the places of a picture, for keyboards and screen readers.
function picker(surface, role, label, places) {
  const attributes = { tabindex: 0, role: "slider", "aria-roledescription": role, "aria-label": label,
    "aria-valuemin": 0, "aria-valuemax": places - 1 };
  for (const [name, value] of Object.entries(attributes)) surface.setAttribute(name, value);
}

function picked(surface, place, words) {
  surface.setAttribute("aria-valuenow", place);
  surface.setAttribute("aria-valuetext", words);
  return words;
}

// Where in an element, as shares of its height and width in [0, 1).
function shares(event, element) {
  const box = element.getBoundingClientRect();
  return [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width].map((x) => clamp(x, 0, 0.999999));
}

// Choose a place [row, column] of a grid on any of the panels; a mouse that is not pressed only looks.
function pointing(root, panels, [height, width], { choose, look, leave }) {
  for (const { surface, element } of panels) {
    const at = (event) => {
      const [y, x] = shares(event, surface);
      return [Math.floor(y * height), Math.floor(x * width)];
    };
    listen(root, surface, {
      pointerdown: (event) => {
        surface.setPointerCapture(event.pointerId);
        choose(at(event));
      },
      pointermove: (event) => {
        if (event.buttons) choose(at(event));
        else if (event.pointerType === "mouse") look(at(event), element.dataset.panel);
      },
      pointerleave: leave,
    });
  }
}

// Arrow keys as steps [dy, dx], five at once with Shift; undefined for other keys.
function arrow({ key, shiftKey }) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  return step?.map((x) => x * (shiftKey ? 5 : 1));
}

function change(model, values) {
  model.set("state", { ...model.get("state"), ...values });
  model.save_changes();
}

// The frame of every widget. A click anywhere takes the focus, keys stay inside, Escape gives them back.
// `ratio` is width / height of its pictures. draw(root, state) returns what takes the focus, what a key does (true: it
// was used), and the drawing of the state, which returns what a screen reader announces.
function frame(model, el, ratio, draw) {
  const { title, guide, language, texts: translated = {} } = model.get("facts");
  texts = translated;
  const root = node(null, "div", { class: "dl", style: ratio && `--dl-ratio: ${ratio}`, role: "group", lang: language, tabindex: -1, "aria-label": title,
    "data-lm-suppress-shortcuts": "true" }); // JupyterLab looks for this attribute
  el.classList.add("dl-host");
  el.replaceChildren(root);
  const live = node(root, "div", { class: "dl-live", "aria-live": "polite", role: "status" });
  const { main = root, press, update = () => "" } = guarded(root, draw)(root, () => model.get("state")) ?? {};
  const lines = Object.entries(guide).map(([label, text]) =>
    node(root, "p", {}, node(root, "b", {}, say("{label}:", { label })), " ", text));
  if (lines.length) root.append(node(root, "div", { class: "dl-guide" }, ...lines));
  root.append(live);
  listen(root, root, {
    click: ({ target }) => target.closest("button, select, input, label") || main.focus({ preventScroll: true }),
    keydown: (event) => {
      event.stopPropagation();
      if (event.key === "Escape") {
        document.activeElement.blur();
        el.closest("[tabindex]")?.focus({ preventScroll: true }); // JupyterLab's cell; a plain page has none
      } else if (!event.target.matches("select, input") && !event.ctrlKey && !event.metaKey && !event.altKey) {
        if (press?.(event.key, arrow(event))) event.preventDefault();
      }
    },
  });
  const show = guarded(root, () => {
    const words = update();
    if (words !== live.textContent) live.textContent = words; // the same again is not announced
  });
  const problem = guarded(root, () => complain(root, model.get("problem")));
  model.on("change:state", show);
  model.on("change:problem", problem);
  show();
  if (model.get("problem")) problem();
}
