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

// Rows blurred and turned: twice is both ways, and upright again.
function blurredRows(values, rows, columns) {
  const width = columns - 10;
  const out = new Float64Array(width * rows);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < 11; k++) out[x * rows + y] += GAUSS[k] * values[y * columns + x + k];
    }
  }
  return out;
}
const blurred = (values, rows, columns) => blurredRows(blurredRows(values, rows, columns), columns - 10, rows);

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

const shown = (name) => (name === "input" ? say("input") : name === "original" ? say("original") : say(name));
const inShort = ({ psnr, ssim }) => `${psnr == null || psnr === Infinity ? "∞" : psnr.toFixed(2)} · ${ssim.toFixed(3)}`;

function render({ model, el }) {
  const facts = model.get("facts");
  const arrays = readArrays(model);
  const [height, width] = facts.arrays.high.shape;
  const [lowHeight, lowWidth] = facts.arrays.low.shape;

  frame(model, el, width / height, (root, state) => {
    const small = (i) => Math.floor((Math.floor(i / width) * lowHeight) / height) * lowWidth + Math.floor(((i % width) * lowWidth) / width);
    const methods = new Map(facts.names.map((name, number) => [name, arrays[`made:${number}`]]));
    const colors = new Map([ // nearest neighbour for the input: the pixels that were received, as squares
      ["input", (i, c) => arrays.low[3 * small(i) + c]], ...[...methods].map(([name, rgb]) => [name, rgbOf(rgb)]),
      ["original", rgbOf(arrays.high)],
    ]);
    const names = [...colors.keys()];
    const errorOf = (rgb) => Float32Array.from({ length: height * width }, (_, i) => {
      let sum = 0;
      for (let k = 3 * i; k < 3 * i + 3; k++) sum += Math.abs(rgb[k] - arrays.high[k]);
      return sum / 765;
    });
    // Whole pictures, drawn once each; crops are cut out of them.
    const sheets = new Map();
    const sheet = (name) => {
      const inErrors = state().errors && methods.has(name);
      const key = `${name}/${inErrors}`;
      if (!sheets.has(key)) {
        const canvas = document.createElement("canvas");
        paint(canvas, height, width, inErrors ? mapped(errorOf(methods.get(name)), arrays.colors, 0, facts.limit) : colors.get(name));
        sheets.set(key, canvas);
      }
      return sheets.get(key);
    };

    // Stage: two methods, a divider, the lens
    const { canvas, mark, surface: stage, element } = panel(root, "stage", "");
    Object.assign(canvas, { width, height });
    const line = node(root, "div", { class: "dl-divider" });
    const tags = ["left", "right"].map((side) => node(root, "span", { class: "dl-tag", style: `${side}: 6px` }));
    stage.append(line, ...tags);
    picker(stage, say("lens"), say("Lens over the picture. Arrow keys move it, plus and minus zoom."), height * width);
    const divider = node(root, "input", { type: "range", min: 0, max: 100, step: 1, "aria-label": say("Swipe divider"), class: "dl-wide",
      input: () => change(model, { divider: Number(divider.value) / 100 }) });
    element.append(divider);

    const crops = names.map((name) => {
      const { canvas: crop, mark: none, surface, element: tile } = panel(root, `lens-${name}`, node(root, "h3", {}, shown(name)), true);
      none.remove();
      surface.classList.add("dl-still");
      crop.dataset.crop = name;
      const text = node(root, "p", { "data-scores": name });
      const score = facts.scores[facts.names.indexOf(name)];
      tile.append(text, node(root, "p", {}, score ? say("all {score}", { score: inShort(score) }) : ""));
      return { name, crop, text, surface, tile };
    });

    const draw = () => {
      const { lens, left, right, divider: share } = state();
      const context = canvas.getContext("2d");
      const cut = Math.round(share * width);
      context.drawImage(sheet(right), 0, 0);
      if (cut > 0) context.drawImage(sheet(left), 0, 0, cut, height, 0, 0, cut, height);
      line.style.left = `${100 * share}%`;
      tags[0].textContent = shown(left);
      tags[1].textContent = shown(right);
      divider.value = Math.round(100 * share);
      divider.setAttribute("aria-valuetext",
        say("{share} % {left}, the rest {right}", { share: Math.round(100 * share), left: shown(left), right: shown(right) }));
      const [top, from, rows, columns] = lens;
      place(mark, lens, [height, width]);
      const found = new Map([...methods].map(([name, rgb]) => [name, scores(rgb, arrays.high, width, lens)]));
      const best = Math.max(...[...found.values()].map((score) => score.psnr));
      for (const { name, crop, text, surface } of crops) {
        Object.assign(crop, { width: columns, height: rows });
        surface.style.setProperty("--dl-ratio", columns / rows);
        crop.getContext("2d").drawImage(sheet(name), from, top, columns, rows, 0, 0, columns, rows);
        if (!found.has(name)) continue;
        const score = found.get(name);
        const words = inShort(score);
        text.replaceChildren(say("lens"), " ", score.psnr === best ? node(root, "b", {}, words) : words);
        Object.assign(text.dataset, score);
      }
      picked(stage, top * width + from, say("row {top}, column {from}, {rows} by {columns} pixels", { top, from, rows, columns }));
      return [...found].map(([name, score]) => `${say(name)} ${inShort(score)}`).join(", ");
    };

    const move = (top, from, h = state().lens[2], w = state().lens[3]) => {
      change(model, { lens: [clamp(Math.round(top), 0, height - h), clamp(Math.round(from), 0, width - w), h, w] });
    };
    const zoom = (factor, [top, from, rows, columns] = state().lens) => {
      const h = clamp(Math.round(rows * factor), facts.smallest, height);
      const w = clamp(Math.round(columns * factor), facts.smallest, width);
      move(top + (rows - h) / 2, from + (columns - w) / 2, h, w);
    };
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
    const lift = (event) => {
      fingers.delete(event.pointerId);
      if (!fingers.size) pinch = null; // the finger that stays after a pinch drags nothing
    };
    listen(root, stage, {
      pointerdown: (event) => {
        stage.setPointerCapture(event.pointerId);
        fingers.set(event.pointerId, event);
        if (fingers.size === 2) pinch = { apart: apart(), lens: state().lens };
        if (fingers.size > 1) return;
        const box = stage.getBoundingClientRect();
        swiping = Math.abs(event.clientX - box.left - state().divider * box.width) < 9;
        point(event);
      },
      pointermove: (event) => {
        if (!fingers.has(event.pointerId)) return;
        fingers.set(event.pointerId, event);
        if (fingers.size === 1 && !pinch) point(event);
        else if (fingers.size === 2) zoom(pinch.apart / apart(), pinch.lens); // spread fingers: a smaller lens, more zoom
      },
      pointerup: lift,
      pointercancel: lift,
      wheel: (event) => {
        if (!event.ctrlKey) return; // the page scrolls on
        event.preventDefault();
        zoom(event.deltaY > 0 ? 1.1 : 0.9);
      },
    });

    const sides = ["left", "right"].map((side) =>
      choice(root, side === "left" ? say("Left") : say("Right"), names.map((x) => [x, shown(x)]), (value) => change(model, { [side]: value })));
    const toggle = button(root, { "aria-pressed": "false" }, () => change(model, { errors: !state().errors }), say("Error maps"));
    root.append(
      node(root, "div", { class: "dl-bar" }, ...sides.map((side) => side.element), toggle,
        button(root, { "aria-label": say("Zoom in") }, () => zoom(0.8), "+"),
        button(root, { "aria-label": say("Zoom out") }, () => zoom(1.25), "−"),
        node(root, "span", {}, say("PSNR in dB · SSIM under the lens (best in bold) and of all"))),
      node(root, "div", { class: "dl-compare" }, element, node(root, "div", { class: "dl-strip" }, ...crops.map(({ tile }) => tile))),
      node(root, "p", { class: "dl-hint", html: say("Drag the line to swipe, anything else to move the lens (or <kbd>←</kbd> <kbd>↑</kbd> <kbd>→</kbd> <kbd>↓</kbd>). Zoom: <kbd>+</kbd> <kbd>−</kbd>, <kbd>Ctrl</kbd> and the wheel, two fingers. <kbd>Esc</kbd> leaves the widget. Error maps: bright is {limit} or more.", facts) }),
    );
    return {
      main: stage,
      press: (key, step) => {
        const [top, from] = state().lens;
        if (step) move(top + step[0], from + step[1]);
        else if (["+", "=", "-"].includes(key)) zoom(key === "-" ? 1.25 : 0.8);
        else return false;
        return true;
      },
      update: () => {
        sides.forEach((side, number) => { side.select.value = state()[number ? "right" : "left"]; });
        toggle.setAttribute("aria-pressed", String(state().errors));
        return draw();
      },
    };
  });
}
