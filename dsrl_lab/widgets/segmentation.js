// Segmentation compare: truth, two predictions and their changes over one picture, with a table that shows a class alone.

function render({ model, el }) {
  const facts = model.get("facts");
  const arrays = readArrays(model);
  const [height, width] = facts.arrays.image.shape;

  frame(model, el, width / height, (root, state) => {
    const [before, after] = facts.names.map((name) => say(name));
    let lit = null; // class under the pointer; a class that was pressed stays in the state
    const score = (number) => node(root, "small", {}, `mIoU ${(100 * facts.scores[number].miou).toFixed(1)} %`);
    const panels = [
      ["truth", say("Truth")], ["before", before, " ", score(0)], ["after", after, " ", score(1)], ["changes", say("{after} against {before}", { after, before })],
    ].map(([key, ...title]) => ({ key, ...panel(root, key, node(root, "h3", {}, ...title)) }));
    const { surface } = panels[0];
    picker(surface, say("pixel picker"), say("Pixel of the picture. Arrow keys move it."), height * width);
    const status = node(root, "p", { "data-value": "pixel" });

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
      for (const { key, canvas } of panels) {
        const rgb = new Uint8Array(3 * height * width);
        const share = key === "changes" ? 1 : shown != null ? Math.max(opacity, 0.6) : opacity;
        for (let i = 0; i < height * width; i++) {
          const grey = 0.3 * arrays.image[3 * i] + 0.6 * arrays.image[3 * i + 1] + 0.1 * arrays.image[3 * i + 2];
          const out = shown != null && !belongs(key, i, shown);
          const color = out ? null : key === "changes" ? changeColor(i) : classColor(arrays[key][i]);
          for (let c = 0; c < 3; c++) {
            const base = key === "changes" || out ? 255 - 0.35 * (255 - grey) : arrays.image[3 * i + c];
            rgb[3 * i + c] = color ? (1 - share) * base + share * color[c] : base;
          }
        }
        paint(canvas, height, width, rgbOf(rgb));
      }
    };
    const nameOf = (id) => (id in facts.classes ? say(facts.classes[id]) : say("not labelled"));
    const point = ([y, x]) => {
      const i = y * width + x;
      const [truth, was, now] = ["truth", "before", "after"].map((key) => nameOf(arrays[key][i]));
      const words = say("Row {y}, column {x}. Truth: {truth}; {before}: {was}; {after}: {now}.",
        { y, x, truth, before, was, after, now });
      status.textContent = words;
      for (const { mark } of panels) place(mark, [y, x, 1, 1], [height, width]);
      return picked(surface, i, words);
    };
    const highlight = (id) => {
      for (const [other, { line }] of lines) line.classList.toggle("dl-lit", other === id);
    };
    const alone = (id) => {
      highlight(id);
      if (lit === id) return;
      lit = id;
      draw();
    };
    pointing(root, panels, [height, width], {
      choose: (position) => change(model, { position }),
      look: (position, key) => {
        point(position);
        highlight(arrays[key === "changes" ? "truth" : key][position[0] * width + position[1]]);
      },
      leave: () => {
        highlight(null);
        point(state().position);
      },
    });

    // The table: a button for each class that occurs
    const body = node(root, "tbody");
    const lines = new Map();
    const percent = (value) => (value == null ? "–" : (100 * value).toFixed(1));
    facts.classes.forEach((name, id) => {
      const [was, now] = facts.scores.map((found) => found.iou[id]);
      if (was == null && now == null) return;
      const gain = was == null || now == null ? null : 100 * (now - was);
      const press = button(root, { "aria-pressed": "false", focus: () => alone(id), blur: () => alone(null) },
        () => change(model, { class: state().class === id ? null : id }), swatch(root, classColor(id)), say(name));
      const line = node(root, "tr", { "data-class": id, pointerenter: () => alone(id), pointerleave: () => alone(null) },
        node(root, "th", { scope: "row" }, press), node(root, "td", {}, percent(was)), node(root, "td", {}, percent(now)),
        node(root, "td", {}, gain == null ? "–" : `${gain > 0 ? "▲ +" : gain < 0 ? "▼ " : ""}${signed(gain, 1)}`));
      lines.set(id, { line, press });
      body.append(line);
    });
    const head = node(root, "tr", {}, ...[say("class"), before, after, say("change")].map((x) => node(root, "th", { scope: "col" }, x)));
    const table = node(root, "table", {}, node(root, "caption", {}, say("IoU on this picture, in %")), node(root, "thead", {}, head), body);

    const slider = node(root, "input", { type: "range", min: 0, max: 100, "aria-label": say("Opacity of the masks"),
      input: () => change(model, { opacity: Number(slider.value) / 100 }) });
    const [won, lost] = facts.shares.map((share) => (100 * share).toFixed(1));
    const legend = [["won", say("right only in {name}: {share} %", { name: after, share: won })],
      ["lost", say("right only in {name}: {share} %", { name: before, share: lost })], ["wrong", say("wrong in both")]]
      .map(([name, text]) => node(root, "span", {}, swatch(root, facts.changes[name]), text));
    root.append(
      node(root, "div", { class: "dl-bar" }, node(root, "label", { class: "dl-choice" }, say("Opacity"), slider),
        node(root, "span", { class: "dl-legend" }, ...legend)),
      node(root, "div", { class: "dl-split" }, node(root, "div", { class: "dl-panels" }, ...panels.map((x) => x.element)),
        node(root, "div", { class: "dl-table" }, table)),
      status,
      node(root, "p", { class: "dl-hint", html: say("Point at a pixel to name its class; point at a class to see it alone, press it to keep it. <kbd>←</kbd> <kbd>↑</kbd> <kbd>→</kbd> <kbd>↓</kbd> move the pixel, <kbd>Esc</kbd> leaves the widget.") }),
    );
    return {
      main: surface,
      press: (key, step) => {
        const limits = [height, width];
        if (step) change(model, { position: state().position.map((x, axis) => clamp(x + step[axis], 0, limits[axis] - 1)) });
        return step;
      },
      update: () => {
        const { opacity, class: pressed, position } = state();
        slider.value = Math.round(100 * opacity);
        for (const [id, { press }] of lines) press.setAttribute("aria-pressed", String(id === pressed));
        draw();
        return point(position);
      },
    };
  });
}
