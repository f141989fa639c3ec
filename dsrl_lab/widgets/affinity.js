// The affinity explorer: a row of S is P dot products of C channels, computed here when a position is chosen.

// Positions brought to length 1 in the p-norm, after averaging cells of pooling x pooling positions.
function unitVectors(units, norms, height, width, pooling, p) {
  const channels = units.length / (height * width);
  const h = Math.ceil(height / pooling);
  const w = Math.ceil(width / pooling);
  const out = new Float32Array(h * w * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = y * width + x;
      const to = (Math.floor(y / pooling) * w + Math.floor(x / pooling)) * channels;
      for (let c = 0; c < channels; c++) out[to + c] += units[from * channels + c] * norms[from];
    }
  }
  for (let i = 0; i < h * w; i++) {
    let norm = 0;
    for (let c = 0; c < channels; c++) {
      const size = Math.abs(out[i * channels + c]);
      norm = p === "inf" ? Math.max(norm, size) : norm + (p === "1" ? size : size * size);
    }
    if (p === "2") norm = Math.sqrt(norm);
    const factor = norm > 1e-8 ? 1 / norm : 0;
    for (let c = 0; c < channels; c++) out[i * channels + c] *= factor;
  }
  return { vectors: out, channels, h, w };
}

function affinityRow({ vectors, channels, h, w }, index) {
  const row = new Float32Array(h * w);
  const mine = vectors.subarray(index * channels, (index + 1) * channels);
  for (let i = 0, k = 0; i < h * w; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++, k++) sum += vectors[k] * mine[c];
    row[i] = sum;
  }
  return row;
}

function absoluteDifference(a, b, q) {
  const difference = new Float32Array(a.length);
  let loss = 0;
  for (let i = 0; i < a.length; i++) {
    difference[i] = Math.abs(a[i] - b[i]);
    loss += q === 2 ? difference[i] ** 2 : difference[i];
  }
  return { difference, loss: loss / a.length };
}

function renderAffinity({ model, el }) {
  const facts = model.get("facts");
  const [height, width] = facts.grid;
  const arrays = readArrays(model);
  const prepared = new Map(); // unit vectors by what they depend on

  frame(model, el, (root, live) => {
    const state = () => model.get("state");
    const vectors = (name) => {
      const { pooling, p } = state();
      const key = [name, pooling, p].join();
      if (!prepared.has(key)) {
        prepared.set(key, unitVectors(arrays[`${name}:units`], arrays[`${name}:norms`], height, width, pooling, p));
      }
      return prepared.get(key);
    };
    const cell = ([y, x]) => {
      const { pooling } = state();
      return [Math.floor(y / pooling), Math.floor(x / pooling)];
    };
    const rows = (position) => {
      const { source, q } = state();
      const seg = vectors(`task:${source}`);
      const sr = vectors("sisr");
      const [y, x] = cell(position);
      const a = affinityRow(seg, y * seg.w + x);
      const b = affinityRow(sr, y * sr.w + x);
      return { seg: a, sr: b, ...absoluteDifference(a, b, q), h: seg.h, w: seg.w };
    };

    // Panels: a title, a surface to point at, a scale.
    let preview = null;
    const surfaces = [];
    const panel = (title, name, crisp) => {
      const canvas = node(root, "canvas", { class: crisp ? "dl-crisp" : "", "aria-hidden": "true" });
      const mark = node(root, "div", { class: "dl-mark" });
      const surface = node(root, "div", { class: "dl-surface" }, canvas, mark);
      const heading = node(root, "h3", {});
      heading.innerHTML = title;
      const figure = node(root, "div", { class: "dl-panel", "data-panel": name }, heading, surface);
      let scale = null;
      if (crisp) {
        const bar = node(root, "canvas", { "aria-hidden": "true", width: 256, height: 1 });
        scale = { low: node(root, "span"), high: node(root, "span"), bar };
        figure.append(node(root, "div", { class: "dl-scale" }, scale.low, bar, scale.high));
      }
      surfaces.push({ surface, mark });
      return { figure, canvas, surface, scale };
    };
    const picture = panel("Picture <small>choose a position</small>", "picture", false);
    const panels = {
      seg: panel("S<sub>seg</sub> <small>segmentation</small>", "seg", true),
      sr: panel("S<sub>sr</sub> <small>super-resolution</small>", "sr", true),
      difference: panel("|S<sub>seg</sub> − S<sub>sr</sub>| <small>what FA pays for</small>", "difference", true),
    };
    const [imageHeight, imageWidth] = facts.arrays.image.shape;
    paintPicture(picture.canvas, arrays.image, imageHeight, imageWidth);

    const facsline = node(root, "p", { class: "dl-facts" });
    const pinned = node(root, "div", { class: "dl-row", hidden: true });

    const scaled = (view, values, grid, colors, low, high) => {
      paint(view.canvas, values, grid.h, grid.w, colors, low, high);
      view.scale.low.textContent = signed(low);
      view.scale.high.textContent = signed(high);
      const ramp = Float32Array.from({ length: 256 }, (_, i) => low + ((high - low) * i) / 255);
      paint(view.scale.bar, ramp, 1, 256, colors, low, high);
    };
    const lowest = (row) => row.reduce((a, b) => Math.min(a, b), 0);
    const highest = (row, least) => row.reduce((a, b) => Math.max(a, b), least);
    const top = () => (state().p === "2" ? 1 : 0.1);
    const paintRows = (views, found) => {
      const low = Math.min(lowest(found.seg), lowest(found.sr));
      const high = state().p === "2" ? 1 : highest(found.sr, highest(found.seg, top()));
      scaled(views.seg, found.seg, found, arrays.similarity, low, high);
      scaled(views.sr, found.sr, found, arrays.similarity, low, high);
      scaled(views.difference, found.difference, found, arrays.difference, 0, highest(found.difference, 0.1));
    };
    const place = (mark, [y, x], h, w) => {
      const { pooling } = state();
      Object.assign(mark.style, {
        top: `${(100 * y * pooling) / height}%`,
        left: `${(100 * x * pooling) / width}%`,
        height: `${(100 * pooling) / height}%`,
        width: `${(100 * pooling) / width}%`,
      });
    };
    const others = (found, [y, x]) => {
      const self = y * found.w + x;
      let seg = 0;
      let sr = 0;
      found.seg.forEach((value, i) => {
        if (i !== self) {
          seg += value;
          sr += found.sr[i];
        }
      });
      const count = Math.max(1, found.seg.length - 1);
      return [seg / count, sr / count];
    };

    const draw = () => {
      const began = performance.now();
      const position = preview || state().position;
      const found = rows(position);
      const here = cell(position);
      paintRows(panels, found);
      for (const { mark } of surfaces) place(mark, here);
      const [meanSeg, meanSr] = others(found, here);
      facsline.innerHTML =
        `Position <b>row ${here[0]}, column ${here[1]}</b> of ${found.h} × ${found.w}. ` +
        `FA loss of this row <b data-value="loss">${found.loss.toFixed(4)}</b>. ` +
        `Mean similarity to the others: S<sub>seg</sub> <b>${signed(meanSeg)}</b>, S<sub>sr</sub> <b>${signed(meanSr)}</b>.`;
      root.dataset.loss = found.loss;
      root.dataset.milliseconds = performance.now() - began;
      const [cy, cx] = here;
      surface.setAttribute(
        "aria-valuetext",
        `row ${cy}, column ${cx}; loss of the row ${found.loss.toFixed(3)}`,
      );
      surface.setAttribute("aria-valuenow", cy * found.w + cx);
      surface.setAttribute("aria-valuemax", found.h * found.w - 1);
      return { found, here };
    };
    const announce = ({ found, here }) => {
      live.textContent = `Row ${here[0]}, column ${here[1]}. FA loss of this row ${found.loss.toFixed(3)}.`;
    };
    const choose = (position) => {
      preview = null;
      change(model, { position });
    };

    // The picture takes the keyboard's focus; every panel takes the pointer.
    const surface = picture.surface;
    for (const [name, value] of Object.entries({
      tabindex: 0,
      role: "slider",
      "aria-roledescription": "position picker",
      "aria-label": "Position on the picture. Arrow keys move it, P pins it.",
      "aria-valuemin": 0,
    })) surface.setAttribute(name, value);
    surface.addEventListener("keydown", guarded(root, (event) => {
      const step = arrow(event);
      const { pooling, position } = state();
      if (step) {
        const [y, x] = cell(position);
        const rowsThere = Math.ceil(height / pooling);
        const columnsThere = Math.ceil(width / pooling);
        choose([
          clamp(y + step[0], 0, rowsThere - 1) * pooling,
          clamp(x + step[1], 0, columnsThere - 1) * pooling,
        ]);
      } else if (event.key === "p" || event.key === "P") {
        event.preventDefault();
        event.stopPropagation();
        pin();
      }
    }));
    const at = (event, target) => {
      const [sy, sx] = shares(event, target);
      return [Math.floor(sy * height), Math.floor(sx * width)];
    };
    for (const { surface: target } of surfaces) {
      target.addEventListener("pointermove", guarded(root, (event) => {
        if (event.buttons) choose(at(event, target));
        else if (event.pointerType === "mouse") {
          preview = at(event, target);
          draw();
        }
      }));
      target.addEventListener("pointerleave", guarded(root, () => {
        preview = null;
        draw();
      }));
      target.addEventListener("pointerdown", guarded(root, (event) => {
        target.setPointerCapture(event.pointerId);
        surface.focus({ preventScroll: true });
        choose(at(event, target));
      }));
    }

    // Controls
    const controls = [];
    const add = (label, name, options, parse = (x) => x) => {
      const made = choice(root, label, options, String(state()[name]), (value) => change(model, { [name]: parse(value) }));
      controls.push([made.select, name]);
      return made.element;
    };
    const pin = () => change(model, { pins: [...state().pins, state().position].slice(-2) });
    const clear = node(root, "button", { type: "button", click: () => change(model, { pins: [] }) }, "Clear pins");
    const bar = node(root, "div", { class: "dl-bar" });
    if (facts.sources.length > 1) bar.append(add("Segmentation features", "source", facts.sources.map((x) => [x, x])));
    bar.append(
      add("Sub-sampling", "pooling", [["1", "1/8 (as given)"], ["2", "1/16 (2 × 2 averaged)"]], Number),
      add("Norm p", "p", [["2", "2 (cosine)"], ["1", "1"], ["inf", "∞"]]),
      add("Loss q", "q", [["1", "1 (absolute)"], ["2", "2 (squared)"]], Number),
      node(root, "button", { type: "button", click: pin }, "Pin position"),
      clear,
    );

    // Pinned positions, one below the other
    const showPins = () => {
      const { pins, source } = state();
      clear.disabled = !pins.length;
      pinned.hidden = !pins.length;
      pinned.replaceChildren();
      for (const { surface: target } of surfaces) target.querySelectorAll(".dl-pin").forEach((old) => old.remove());
      pins.forEach((position, number) => {
        const name = "AB"[number];
        for (const { surface: target } of surfaces) {
          const mark = node(root, "div", { class: "dl-mark dl-pin" }, node(root, "b", {}, name));
          place(mark, cell(position));
          target.append(mark);
        }
        const found = rows(position);
        const views = {};
        const line = node(root, "div", { class: "dl-panels", "data-pin": name });
        const [y, x] = cell(position);
        const text = node(root, "div", { class: "dl-panel" });
        text.innerHTML = `<h3>Pin ${name}</h3>row ${y}, column ${x}<br>FA loss of its row <b>${found.loss.toFixed(4)}</b>`;
        line.append(text);
        for (const key of ["seg", "sr", "difference"]) {
          const made = panel("", key, true);
          surfaces.pop(); // a picture to look at, not to point at
          made.figure.querySelector("h3").remove();
          made.figure.removeAttribute("data-panel");
          made.surface.style.cursor = "default";
          place(made.surface.querySelector(".dl-mark"), [y, x]);
          views[key] = made;
          line.append(made.figure);
        }
        paintRows(views, found);
        pinned.append(line);
      });
      if (pins.length === 2) {
        const [a, b] = pins.map(cell);
        const first = rows(pins[0]);
        const index = b[0] * first.w + b[1];
        const line = node(root, "p", { class: "dl-facts" });
        line.innerHTML = `A and B look alike by <b data-value="pair-seg">${signed(first.seg[index], 3)}</b> to segmentation` +
          ` and by <b data-value="pair-sr">${signed(first.sr[index], 3)}</b> to super-resolution.`;
        pinned.append(line);
      }
      void source;
    };

    const hint = node(root, "p", { class: "dl-hint" });
    hint.innerHTML = "Point to look, click or tap to choose; <kbd>←</kbd> <kbd>↑</kbd> <kbd>→</kbd> <kbd>↓</kbd> move " +
      "(<kbd>Shift</kbd>: five at once), <kbd>P</kbd> pins. Bright = looks like the framed position.";
    root.append(
      bar,
      node(root, "div", { class: "dl-panels" }, picture.figure, ...Object.values(panels).map((x) => x.figure)),
      facsline, pinned, hint,
    );
    const update = guarded(root, () => {
      for (const [select, name] of controls) select.value = String(state()[name]);
      const drawn = draw();
      announce(drawn);
      showPins();
    });
    model.on("change:state", update);
    draw();
    showPins();
  });
}

const widget = { render: renderAffinity };
export default widget;
