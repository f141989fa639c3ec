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
  let largest = 0; // of a position's S with itself: no |S| is larger
  for (let i = 0; i < h * w; i++) {
    let norm = 0;
    for (let c = 0; c < channels; c++) {
      const size = Math.abs(out[i * channels + c]);
      norm = p === "inf" ? Math.max(norm, size) : norm + (p === "1" ? size : size * size);
    }
    if (p === "2") norm = Math.sqrt(norm);
    const factor = norm > 1e-8 ? 1 / norm : 0;
    let self = 0;
    for (let c = 0; c < channels; c++) self += (out[i * channels + c] *= factor) ** 2;
    largest = Math.max(largest, self);
  }
  return { vectors: out, channels, h, w, largest };
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

function render({ model, el }) {
  const { grid, sources, arrays: { image } } = model.get("facts");
  const [height, width] = grid;
  const arrays = readArrays(model);
  const prepared = new Map(); // unit vectors by what they depend on

  frame(model, el, image.shape[1] / image.shape[0], (root, state) => {
    const vectors = (name) => {
      const { pooling, p } = state();
      const key = [name, pooling, p].join();
      if (!prepared.has(key)) {
        prepared.set(key, unitVectors(arrays[`${name}:units`], arrays[`${name}:norms`], height, width, pooling, p));
      }
      return prepared.get(key);
    };
    const cell = (position) => position.map((x) => Math.floor(x / state().pooling));
    const rows = (position) => {
      const { source, q } = state();
      const seg = vectors(`task:${source}`);
      const sr = vectors("sisr");
      const [y, x] = cell(position);
      const a = affinityRow(seg, y * seg.w + x);
      const b = affinityRow(sr, y * sr.w + x);
      return { seg: a, sr: b, ...absoluteDifference(a, b, q), h: seg.h, w: seg.w };
    };

    const heading = (html) => node(root, "h3", { html });
    const picture = panel(root, "picture", heading(say("Picture <small>choose a position</small>")));
    const views = {
      seg: panel(root, "seg", heading(say("S<sub>seg</sub> <small>segmentation</small>")), true),
      sr: panel(root, "sr", heading(say("S<sub>sr</sub> <small>super-resolution</small>")), true),
      difference: panel(root, "difference", heading(say("|S<sub>seg</sub> − S<sub>sr</sub>| <small>what FA pays for</small>")), true),
    };
    const panels = [picture, ...Object.values(views)];
    paint(picture.canvas, image.shape[0], image.shape[1], rgbOf(arrays.image));

    // One scale for all positions, sources and pins, so that pictures can be compared: S as wide as it can be.
    const scales = () => {
      const most = Math.max(...["sisr", ...sources.map((name) => `task:${name}`)].map((name) => vectors(name).largest)) || 1;
      const similarity = [arrays.similarity, -most, most];
      return { seg: similarity, sr: similarity, difference: [arrays.difference, 0, most] };
    };
    const paintRows = (shown, found) => {
      const all = scales();
      for (const [key, { canvas }] of Object.entries(shown)) paint(canvas, found.h, found.w, mapped(found[key], ...all[key]));
    };
    const bars = Object.entries(views).map(([key, { element }]) => {
      const bar = node(root, "canvas", { "aria-hidden": "true" });
      const [low, high] = [node(root, "span"), node(root, "span")];
      element.append(node(root, "div", { class: "dl-scale" }, low, bar, high));
      return () => {
        const [colors, least, most] = scales()[key];
        paint(bar, 1, 256, rgbOf(colors));
        low.textContent = signed(least);
        high.textContent = signed(most);
      };
    });
    const mark = (made, [y, x]) => {
      const { pooling } = state();
      place(made, [y * pooling, x * pooling, Math.min(pooling, height - y * pooling), Math.min(pooling, width - x * pooling)], grid);
    };
    const meanOfOthers = (row, self) => (row.reduce((a, b) => a + b, 0) - row[self]) / Math.max(1, row.length - 1);

    const facts = node(root, "p");
    let preview = null;
    let note = "";
    const draw = () => {
      const began = performance.now();
      const position = preview || state().position;
      const found = rows(position);
      const [y, x] = cell(position);
      const self = y * found.w + x;
      paintRows(views, found);
      for (const { mark: made } of panels) mark(made, [y, x]);
      const [seg, sr] = [found.seg, found.sr].map((row) => signed(meanOfOthers(row, self)));
      facts.innerHTML = [
        say("Position <b>row {y}, column {x}</b> of {h} × {w}.", { y, x, h: found.h, w: found.w }),
        say("FA loss of this row {loss}.", { loss: `<b data-value="loss">${found.loss.toFixed(4)}</b>` }),
        say("Mean similarity to the others: S<sub>seg</sub> <b>{seg}</b>, S<sub>sr</sub> <b>{sr}</b>.", { seg, sr }),
      ].join(" ");
      root.dataset.loss = found.loss;
      root.dataset.milliseconds = performance.now() - began;
      picture.surface.setAttribute("aria-valuemax", found.h * found.w - 1);
      return picked(picture.surface, self,
        `${say("Row {y}, column {x}.", { y, x })} ${say("FA loss of this row {loss}.", { loss: found.loss.toFixed(3) })}`);
    };
    const choose = (position) => {
      preview = null;
      note = "";
      change(model, { position });
    };
    const leave = () => {
      preview = null;
      draw();
    };
    const look = (position) => {
      preview = position;
      draw();
    };
    picker(picture.surface, say("position picker"), say("Position on the picture. Arrow keys move it, P pins it."), height * width);
    pointing(root, panels, grid, { choose, look, leave });

    const add = (label, name, options, parse = (x) => x) => {
      const made = choice(root, label, options, (value) => change(model, { [name]: parse(value) }));
      made.name = name;
      return made;
    };
    const controls = [
      add(say("Segmentation features"), "source", sources.map((x) => [x, say(x)])),
      add(say("Sub-sampling"), "pooling", [["1", say("as given")], ["2", say("2 × 2 mean")]], Number),
      add(say("Norm p"), "p", [["2", say("2 (cosine)")], ["1", "1"], ["inf", "∞"]]),
      add(say("Loss q"), "q", [["1", "1"], ["2", "2"]], Number),
    ];
    controls[0].element.hidden = sources.length < 2;
    const pin = () => {
      const { pins, position } = state();
      note = pins.length === 2 ? say("This third pin replaces the first: the former B is now A.") : "";
      change(model, { pins: [...pins, position].slice(-2) });
    };
    const clear = button(root, { "aria-label": say("Clear pins") }, () => {
      note = "";
      change(model, { pins: [] });
    }, say("Clear"));

    // Pinned positions side by side
    const pinned = node(root, "div", { class: "dl-pins" });
    const showPins = () => {
      const { pins } = state();
      clear.setAttribute("aria-disabled", String(!pins.length));
      pinned.hidden = !pins.length;
      root.querySelectorAll(".dl-surface .dl-pin").forEach((old) => old.remove());
      const cards = pins.map((position, number) => {
        const name = "AB"[number];
        const [y, x] = cell(position);
        for (const { surface } of panels) {
          const made = node(root, "div", { class: "dl-mark dl-pin" }, node(root, "b", {}, name));
          mark(made, [y, x]);
          surface.append(made);
        }
        const found = rows(position);
        const small = Object.fromEntries(Object.keys(views).map((key) => [key, panel(root, `pin-${key}`, "", true)]));
        paintRows(small, found);
        for (const view of Object.values(small)) {
          mark(view.mark, [y, x]);
          view.surface.classList.add("dl-still");
        }
        return node(root, "div", { "data-pin": name },
          node(root, "h3", {}, say("Pin {name} ", { name }), node(root, "small", {},
            say("row {y}, column {x}; FA loss of its row {loss}", { y, x, loss: found.loss.toFixed(4) }))),
          node(root, "div", { class: "dl-panels" }, ...Object.values(small).map((view) => view.element)));
      });
      pinned.replaceChildren(...cards);
      if (pins.length === 2) {
        const [y, x] = cell(pins[1]);
        const first = rows(pins[0]);
        const [seg, sr] = [first.seg, first.sr].map((row) => signed(row[y * first.w + x], 3));
        const pair = { seg: `<b data-value="pair-seg">${seg}</b>`, sr: `<b data-value="pair-sr">${sr}</b>` };
        pinned.append(node(root, "p", { html: `${say("Affinity of A and B: {seg} for segmentation, {sr} for super-resolution.", pair)} ` +
          `<span data-value="note">${note}</span>` }));
      }
    };
    root.append(
      node(root, "div", { class: "dl-bar" }, ...controls.map((x) => x.element), button(root, {}, pin, say("Pin")), clear),
      node(root, "div", { class: "dl-panels" }, ...panels.map((x) => x.element)),
      facts, pinned,
      node(root, "p", { class: "dl-hint", html: say("Point to look, click to choose. <kbd>←</kbd> <kbd>↑</kbd> <kbd>→</kbd> <kbd>↓</kbd> move (<kbd>Shift</kbd>: by five), <kbd>P</kbd> pins, <kbd>Esc</kbd> leaves the widget. Bright: similar to the framed position.") }),
    );
    return {
      main: picture.surface,
      press: (key, step) => {
        const { pooling, position } = state();
        if (step) {
          choose(cell(position).map((x, axis) => clamp(x + step[axis], 0, Math.ceil(grid[axis] / pooling) - 1) * pooling));
        } else if (key.toLowerCase() === "p") pin();
        return step || key.toLowerCase() === "p";
      },
      update: () => {
        for (const { select, name } of controls) select.value = String(state()[name]);
        for (const bar of bars) bar();
        showPins();
        return `${note} ${draw()}`.trim();
      },
    };
  });
}
