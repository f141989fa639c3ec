// Segmentation compare: truth, two predictions and their changes over one picture, with a table that lights up a class.

function renderSegmentation({ model, el }) {
  const facts = model.get("facts");
  const arrays = readArrays(model);
  const [height, width] = facts.arrays.image.shape;
  const [before, after] = facts.names;

  frame(model, el, (root, live) => {
    const state = () => model.get("state");
    let lit = null; // class under the pointer; a class that was pressed stays in the state
    const views = [["truth", "Truth"], ["before", before], ["after", after], ["changes", `${after} against ${before}`]]
      .map(([key, title], number) => {
        const canvas = node(root, "canvas", { "aria-hidden": "true" });
        const mark = node(root, "div", { class: "dl-mark" });
        const surface = node(root, "div", { class: "dl-surface" }, canvas, mark);
        const score = number === 1 || number === 2 ? `mIoU ${(100 * facts.scores[number - 1].miou).toFixed(1)} %` : "";
        const heading = node(root, "h3", {}, title, " ", node(root, "small", {}, score));
        return { key, canvas, mark, surface, panel: node(root, "div", { class: "dl-panel", "data-panel": key }, heading, surface) };
      });
    const surface = views[0].surface;
    for (const [name, value] of Object.entries({
      tabindex: 0, role: "slider", "aria-roledescription": "pixel picker", "aria-valuemin": 0,
      "aria-valuemax": height * width - 1, "aria-label": "Pixel of the picture. Arrow keys move it.",
    })) surface.setAttribute(name, value);
    const status = node(root, "p", { class: "dl-facts" });

    const classColor = (id) => (id === facts.ignore ? null : arrays.colors.subarray(3 * id, 3 * id + 3));
    const changeColor = (i) => {
      const truth = arrays.truth[i];
      if (truth === facts.ignore) return null;
      const was = arrays.before[i] === truth;
      const now = arrays.after[i] === truth;
      if (was && now) return null;
      return facts.changes[now ? "won" : was ? "lost" : "wrong"];
    };
    const belongs = (key, i, id) =>
      key === "changes" ? arrays.truth[i] === id || arrays.before[i] === id || arrays.after[i] === id : arrays[key][i] === id;

    const draw = () => {
      const { opacity, class: pressed } = state();
      const shown = lit ?? pressed;
      for (const { key, canvas } of views) {
        const rgb = new Uint8Array(3 * height * width);
        for (let i = 0; i < height * width; i++) {
          const grey = 0.3 * arrays.image[3 * i] + 0.6 * arrays.image[3 * i + 1] + 0.1 * arrays.image[3 * i + 2];
          const out = shown != null && !belongs(key, i, shown);
          const color = out ? null : key === "changes" ? changeColor(i) : classColor(arrays[key][i]);
          for (let c = 0; c < 3; c++) {
            const base = key === "changes" || out ? 255 - 0.35 * (255 - grey) : arrays.image[3 * i + c];
            const share = key === "changes" ? 1 : shown != null ? Math.max(opacity, 0.6) : opacity;
            rgb[3 * i + c] = color ? (1 - share) * base + share * color[c] : base;
          }
        }
        paintPicture(canvas, rgb, height, width);
      }
    };
    const nameOf = (id) => facts.classes[id] ?? "not labelled";
    const describe = ([y, x]) => {
      const i = y * width + x;
      return `Row ${y}, column ${x}. Truth: ${nameOf(arrays.truth[i])}; ${before}: ${nameOf(arrays.before[i])}; ` +
        `${after}: ${nameOf(arrays.after[i])}.`;
    };
    const point = (position) => {
      status.textContent = describe(position);
      for (const { mark } of views) {
        Object.assign(mark.style, {
          top: `calc(${(100 * (position[0] + 0.5)) / height}% - 4px)`, left: `calc(${(100 * (position[1] + 0.5)) / width}% - 4px)`,
        });
      }
      surface.setAttribute("aria-valuenow", position[0] * width + position[1]);
      surface.setAttribute("aria-valuetext", describe(position));
    };
    const at = (event, target) => {
      const [sy, sx] = shares(event, target);
      return [Math.floor(sy * height), Math.floor(sx * width)];
    };
    for (const { surface: target, key } of views) {
      target.addEventListener("pointermove", guarded(root, (event) => {
        const position = at(event, target);
        const id = arrays[key === "changes" ? "truth" : key][position[0] * width + position[1]];
        point(position);
        target.title = nameOf(id);
        highlight(id === facts.ignore ? null : id, false);
      }));
      target.addEventListener("pointerleave", guarded(root, () => {
        highlight(null, false);
        point(state().position);
      }));
      target.addEventListener("pointerdown", guarded(root, (event) => change(model, { position: at(event, target) })));
    }
    surface.addEventListener("keydown", guarded(root, (event) => {
      const step = arrow(event);
      const [y, x] = state().position;
      if (step) change(model, { position: [clamp(y + step[0], 0, height - 1), clamp(x + step[1], 0, width - 1)] });
    }));

    // The table: a button for each class that occurs
    const body = node(root, "tbody");
    const lines = new Map();
    const percent = (value) => (value == null ? "–" : (100 * value).toFixed(1));
    facts.classes.forEach((name, id) => {
      const [was, now] = facts.scores.map((found) => found.iou[id]);
      if (was == null && now == null) return;
      const gain = was == null || now == null ? null : 100 * (now - was);
      const swatch = node(root, "span", { class: "dl-swatch" });
      swatch.style.background = `rgb(${classColor(id).join()})`;
      const press = () => change(model, { class: state().class === id ? null : id });
      const button = node(root, "button", { type: "button", "aria-pressed": "false", click: press,
        focus: () => highlight(id, true), blur: () => highlight(null, true) }, swatch, name);
      const line = node(root, "tr", { pointerenter: () => highlight(id, true), pointerleave: () => highlight(null, true) },
        node(root, "th", { scope: "row" }, button), node(root, "td", {}, percent(was)), node(root, "td", {}, percent(now)),
        node(root, "td", {}, gain == null ? "–" : `${gain > 0 ? "▲ +" : gain < 0 ? "▼ " : ""}${signed(gain, 1)}`));
      line.dataset.class = id;
      lines.set(id, { line, button });
      body.append(line);
    });
    function highlight(id, redraw) {
      const changed = lit !== id;
      for (const [other, { line }] of lines) line.classList.toggle("dl-lit", other === id);
      if (!redraw) return;
      lit = id;
      if (changed) draw();
    }
    const head = node(root, "tr", {}, ...["class", before, after, "change"].map((x) => node(root, "th", { scope: "col" }, x)));
    const table = node(root, "table", {},
      node(root, "caption", {}, "IoU on this picture, in %"), node(root, "thead", {}, head), body);

    const slider = node(root, "input", { type: "range", min: 0, max: 100, "aria-label": "Opacity of the masks",
      input: () => change(model, { opacity: Number(slider.value) / 100 }) });
    const legend = node(root, "span", { class: "dl-legend" });
    const [won, lost] = facts.shares;
    for (const [name, text] of [["won", `won ${(100 * won).toFixed(1)} %`], ["lost", `lost ${(100 * lost).toFixed(1)} %`], ["wrong", "wrong in both"]]) {
      const swatch = node(root, "span", { class: "dl-swatch" });
      swatch.style.background = `rgb(${facts.changes[name].join()})`;
      legend.append(node(root, "span", {}, swatch, text));
    }
    const bar = node(root, "div", { class: "dl-bar" }, node(root, "label", { class: "dl-choice" }, "Opacity", slider), legend);
    const hint = node(root, "p", { class: "dl-hint" },
      "Point at a pixel to name its class; point at a class in the table to see it alone, press it to keep it.");
    root.append(bar, node(root, "div", { class: "dl-panels" }, ...views.map((x) => x.panel)), status,
      node(root, "div", { class: "dl-row" }, table), hint);

    const update = guarded(root, () => {
      const { opacity, class: pressed, position } = state();
      slider.value = Math.round(100 * opacity);
      for (const [id, { button }] of lines) button.setAttribute("aria-pressed", String(id === pressed));
      point(position);
      live.textContent = describe(position);
      draw();
    });
    model.on("change:state", update);
    update();
  });
}

const widget = { render: renderSegmentation };
export default widget;
