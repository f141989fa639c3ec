// Super-resolution compare: a swipe divider over the whole picture, one lens over all methods.

const GAUSS = (() => {
  const window_ = Array.from({ length: 11 }, (_, i) => Math.exp(-((i - 5) ** 2) / (2 * 1.5 ** 2)));
  const sum = window_.reduce((a, b) => a + b);
  return window_.map((x) => x / sum);
})();

// A channel of a crop as shares of 1, row by row.
function channelOf(rgb, width, [top, left, rows, columns], channel) {
  const out = new Float64Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) out[y * columns + x] = rgb[3 * ((top + y) * width + left + x) + channel] / 255;
  }
  return out;
}

function blurred(values, rows, columns) {
  const across = new Float64Array(rows * (columns - 10));
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns - 10; x++) {
      let sum = 0;
      for (let k = 0; k < 11; k++) sum += GAUSS[k] * values[y * columns + x + k];
      across[y * (columns - 10) + x] = sum;
    }
  }
  const width = columns - 10;
  const out = new Float64Array((rows - 10) * width);
  for (let y = 0; y < rows - 10; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 0; k < 11; k++) sum += GAUSS[k] * across[(y + k) * width + x];
      out[y * width + x] = sum;
    }
  }
  return out;
}

// PSNR in dB and SSIM (window of 11, sigma 1.5, K1 0.01, K2 0.03) of a crop.
function scores(a, b, width, lens) {
  const [, , rows, columns] = lens;
  let squared = 0;
  let similarity = 0;
  for (let channel = 0; channel < 3; channel++) {
    const x = channelOf(a, width, lens, channel);
    const y = channelOf(b, width, lens, channel);
    for (let i = 0; i < x.length; i++) squared += (x[i] - y[i]) ** 2;
    const product = (u, v) => blurred(u.map((value, i) => value * v[i]), rows, columns);
    const mx = blurred(x, rows, columns);
    const my = blurred(y, rows, columns);
    const xx = product(x, x);
    const yy = product(y, y);
    const xy = product(x, y);
    let sum = 0;
    for (let i = 0; i < mx.length; i++) {
      const both = mx[i] * my[i];
      const squares = mx[i] ** 2 + my[i] ** 2;
      const covariance = xy[i] - both;
      const variances = xx[i] + yy[i] - squares;
      sum += ((2 * both + 1e-4) * (2 * covariance + 9e-4)) / ((squares + 1e-4) * (variances + 9e-4));
    }
    similarity += sum / mx.length / 3;
  }
  const error = squared / (3 * rows * columns);
  return { psnr: error ? -10 * Math.log10(error) : Infinity, ssim: similarity };
}

const decibel = (value) => (value == null || value === Infinity ? "∞ dB" : `${value.toFixed(2)} dB`);

function renderSuperResolution({ model, el }) {
  const facts = model.get("facts");
  const arrays = readArrays(model);
  const [height, width] = facts.arrays.high.shape;
  const [lowHeight, lowWidth] = facts.arrays.low.shape;

  frame(model, el, (root, live) => {
    const state = () => model.get("state");
    const pictures = new Map([["input", enlarged(arrays.low, lowHeight, lowWidth)]]);
    facts.names.forEach((name, number) => pictures.set(name, arrays[`made:${number}`]));
    pictures.set("original", arrays.high);
    const names = [...pictures.keys()];

    function enlarged(rgb, h, w) { // nearest neighbour: the pixels that were received, as squares
      const out = new Uint8Array(3 * height * width);
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const from = 3 * (Math.floor((y * h) / height) * w + Math.floor((x * w) / width));
          for (let c = 0; c < 3; c++) out[3 * (y * width + x) + c] = rgb[from + c];
        }
      }
      return out;
    }
    const errors = (rgb) => {
      const out = new Float32Array(height * width);
      for (let i = 0; i < out.length; i++) {
        let sum = 0;
        for (let c = 0; c < 3; c++) sum += Math.abs(rgb[3 * i + c] - arrays.high[3 * i + c]);
        out[i] = sum / 765;
      }
      return out;
    };
    // Whole pictures, drawn once each; crops are cut out of them.
    const sheets = new Map();
    const sheet = (name) => {
      const key = `${name}/${state().errors}`;
      if (!sheets.has(key)) {
        const canvas = document.createElement("canvas");
        if (state().errors && name !== "original" && name !== "input") {
          paint(canvas, errors(pictures.get(name)), height, width, arrays.colors, 0, facts.limit);
        } else paintPicture(canvas, pictures.get(name), height, width);
        sheets.set(key, canvas);
      }
      return sheets.get(key);
    };

    // Stage: two methods, a divider, the lens
    const canvas = node(root, "canvas", { "aria-hidden": "true", width, height });
    const lensMark = node(root, "div", { class: "dl-mark" });
    const line = node(root, "div", { class: "dl-divider" });
    const names_ = [node(root, "span", { class: "dl-tag dl-left" }), node(root, "span", { class: "dl-tag dl-right" })];
    const stage = node(root, "div", {
      class: "dl-surface", tabindex: 0, role: "slider", "aria-roledescription": "lens", "aria-valuemin": 0,
      "aria-valuemax": height * width - 1, "data-panel": "stage",
      "aria-label": "Lens over the picture. Arrow keys move it, plus and minus change its size.",
    }, canvas, line, ...names_, lensMark);
    const divider = node(root, "input", {
      type: "range", min: 0, max: 100, step: 1, "aria-label": "Swipe divider", class: "dl-wide",
      input: () => change(model, { divider: Number(divider.value) / 100 }),
    });

    const strip = node(root, "div", { class: "dl-strip" });
    const crops = names.map((name) => {
      const crop = node(root, "canvas", { class: "dl-crisp", "aria-hidden": "true", "data-crop": name });
      const text = node(root, "p", { class: "dl-facts", "data-scores": name });
      const number = facts.names.indexOf(name);
      const whole = number < 0 ? "" : `whole: ${decibel(facts.scores[number].psnr)}, SSIM ${facts.scores[number].ssim.toFixed(3)}`;
      strip.append(node(root, "div", { class: "dl-panel" }, node(root, "h3", {}, name),
        node(root, "div", { class: "dl-surface dl-still" }, crop), text, node(root, "p", { class: "dl-hint" }, whole)));
      return { name, crop, text, number };
    });

    const draw = () => {
      const { lens, left, right, divider: share } = state();
      const context = canvas.getContext("2d");
      const cut = Math.round(share * width);
      context.drawImage(sheet(right), 0, 0);
      if (cut > 0) context.drawImage(sheet(left), 0, 0, cut, height, 0, 0, cut, height);
      line.style.left = `${100 * share}%`;
      names_[0].textContent = left;
      names_[1].textContent = right;
      divider.value = Math.round(100 * share);
      divider.setAttribute("aria-valuetext", `${Math.round(100 * share)} % ${left}, the rest ${right}`);
      const [top, from, rows, columns] = lens;
      Object.assign(lensMark.style, {
        top: `${(100 * top) / height}%`, left: `${(100 * from) / width}%`,
        height: `${(100 * rows) / height}%`, width: `${(100 * columns) / width}%`,
      });
      const said = [];
      for (const { name, crop, text, number } of crops) {
        Object.assign(crop, { width: columns, height: rows });
        crop.getContext("2d").drawImage(sheet(name), from, top, columns, rows, 0, 0, columns, rows);
        if (number < 0) continue;
        const found = scores(pictures.get(name), arrays.high, width, lens);
        text.innerHTML = `lens: <b>${decibel(found.psnr)}</b>, SSIM <b>${found.ssim.toFixed(3)}</b>`;
        text.dataset.psnr = found.psnr;
        text.dataset.ssim = found.ssim;
        said.push(`${name} ${decibel(found.psnr)}`);
      }
      stage.setAttribute("aria-valuenow", top * width + from);
      stage.setAttribute("aria-valuetext", `row ${top}, column ${from}, ${rows} by ${columns} pixels`);
      return `Lens at row ${top}, column ${from}, ${rows} by ${columns} pixels: ${said.join("; ")}.`;
    };

    const move = (top, from, rows, columns) => {
      const h = clamp(rows, facts.smallest, height);
      const w = clamp(columns, facts.smallest, width);
      change(model, { lens: [clamp(Math.round(top), 0, height - h), clamp(Math.round(from), 0, width - w), h, w] });
    };
    const zoom = (factor, [top, from, rows, columns] = state().lens) => {
      const h = clamp(Math.round(rows * factor), facts.smallest, height);
      const w = clamp(Math.round(columns * factor), facts.smallest, width);
      move(top + (rows - h) / 2, from + (columns - w) / 2, h, w);
    };
    stage.addEventListener("keydown", guarded(root, (event) => {
      const step = arrow(event);
      const [top, from, rows, columns] = state().lens;
      if (step) move(top + step[0], from + step[1], rows, columns);
      else if (["+", "=", "-"].includes(event.key)) {
        event.preventDefault();
        event.stopPropagation();
        zoom(event.key === "-" ? 1.25 : 0.8);
      }
    }));
    let swiping = false;
    const fingers = new Map(); // pointers that are down, and where
    let pinch = null; // what two fingers started from: their distance, the lens
    const apart = () => {
      const [a, b] = [...fingers.values()];
      return Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY));
    };
    const point = (event) => {
      const [sy, sx] = shares(event, stage);
      const [, , rows, columns] = state().lens;
      if (swiping) change(model, { divider: sx });
      else move(sy * height - rows / 2, sx * width - columns / 2, rows, columns);
    };
    stage.addEventListener("pointerdown", guarded(root, (event) => {
      stage.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
      if (fingers.size === 2) pinch = { apart: apart(), lens: state().lens };
      if (fingers.size > 1) return;
      const box = stage.getBoundingClientRect();
      swiping = Math.abs(event.clientX - box.left - state().divider * box.width) < 9;
      point(event);
    }));
    stage.addEventListener("pointermove", guarded(root, (event) => {
      if (!fingers.has(event.pointerId)) return;
      fingers.set(event.pointerId, event);
      if (fingers.size === 1 && !pinch) point(event);
      else if (fingers.size === 2) zoom(pinch.apart / apart(), pinch.lens); // spread fingers: a smaller lens, more zoom
    }));
    for (const end of ["pointerup", "pointercancel"]) {
      stage.addEventListener(end, (event) => {
        fingers.delete(event.pointerId);
        if (!fingers.size) pinch = null; // the finger that stays after a pinch drags nothing
      });
    }
    stage.addEventListener("wheel", guarded(root, (event) => {
      if (document.activeElement !== stage) return; // the page scrolls on, unless the picture has the focus
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.1 : 0.9);
    }), { passive: false });

    const left = choice(root, "Left", names.map((x) => [x, x]), state().left, (value) => change(model, { left: value }));
    const right = choice(root, "Right", names.map((x) => [x, x]), state().right, (value) => change(model, { right: value }));
    const toggle = node(root, "button", { type: "button", "aria-pressed": "false",
      click: () => change(model, { errors: !state().errors }) }, "Error maps");
    const hint = node(root, "p", { class: "dl-hint" });
    hint.innerHTML = "Drag the line or the slider to swipe; drag elsewhere or press <kbd>←</kbd> <kbd>↑</kbd> <kbd>→</kbd> " +
      `<kbd>↓</kbd> to move the lens, <kbd>+</kbd> <kbd>−</kbd> or two fingers to zoom. Error maps: bright is ${facts.limit} or more.`;
    root.append(
      node(root, "div", { class: "dl-bar" }, left.element, right.element, toggle,
        node(root, "button", { type: "button", "aria-label": "Zoom in", click: () => zoom(0.8) }, "+"),
        node(root, "button", { type: "button", "aria-label": "Zoom out", click: () => zoom(1.25) }, "−")),
      node(root, "div", { class: "dl-stage" }, stage, divider), strip, hint,
    );
    const update = guarded(root, () => {
      left.select.value = state().left;
      right.select.value = state().right;
      toggle.setAttribute("aria-pressed", String(state().errors));
      live.textContent = draw();
    });
    model.on("change:state", update);
    update();
  });
}

const widget = { render: renderSuperResolution };
export default widget;
