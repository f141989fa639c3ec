// The training monitor: curves of the records so far, those of earlier sessions in grey, seconds left, a stop.

const nameOf = (term) => ({ loss: say("objective"), task: say("task"), sisr: say("SISR error"), affinity: say("feature affinity"),
  learning_rate: say("learning rate"), miou: say("validation mIoU") })[term];

function duration(seconds) {
  if (seconds == null) return "–";
  const whole = Math.round(seconds);
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  return whole < 90 ? say("{whole} s", { whole }) : say("{minutes} min {rest} s", { minutes, rest });
}

const plain = (value) => (Math.abs(value) >= 0.001 ? value.toPrecision(3) : value && value.toExponential(1));

// One curve as SVG, from 0 to the largest value so far; the last value stands above it.
function curveOf(root, term, earlier, lines) {
  const pointsOf = (records) => records.filter((line) => line[term] != null).map((line) => [line.iteration, line[term]]);
  const [old, fresh] = [earlier, lines].map(pointsOf);
  const points = [...old, ...fresh];
  if (points.every(([, value]) => value === 0)) return null;
  const [w, h, left, bottom] = [260, 130, 46, 18];
  const { iterations } = [...earlier, ...lines].pop();
  const high = Math.max(term === "miou" ? 1 : 0, ...points.map(([, value]) => value));
  const x = (value) => left + ((w - left - 8) * value) / iterations;
  const y = (value) => 8 + ((h - bottom - 8) * (high - value)) / high;
  const make = (tag, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  };
  const [a, b] = points[points.length - 1];
  const svg = make("svg", { viewBox: `0 0 ${w} ${h}`, role: "img",
    "aria-label": say("{term}: from {begin} to {end}", { term: nameOf(term), begin: plain(points[0][1]), end: plain(b) }) });
  for (const value of [0, high]) {
    svg.append(make("line", { x1: left, x2: w - 8, y1: y(value), y2: y(value), class: value ? "dl-grid" : "dl-axis" }));
    svg.append(make("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, plain(value)));
  }
  svg.append(make("text", { x: left, y: h - 4 }, "0"), make("text", { x: w - 8, y: h - 4, "text-anchor": "end" }, iterations));
  const path = (part, kind) => svg.append(make("polyline", { class: kind,
    points: part.map(([u, v]) => `${x(u).toFixed(1)},${y(v).toFixed(1)}`).join(" ") }));
  if (old.length) {
    const seam = x(old[old.length - 1][0]);
    path(old, "dl-curve dl-earlier");
    svg.append(make("line", { x1: seam, x2: seam, y1: 4, y2: h - bottom, class: "dl-seam" }));
    if (seam < w - 80) svg.append(make("text", { x: seam + 4, y: 20 }, say("went on here")));
  }
  path([...old.slice(-1), ...fresh], "dl-curve");
  if (fresh.length) svg.append(make("circle", { cx: x(a), cy: y(b), r: 3, class: "dl-dot" }));
  const heading = node(root, "h3", {}, nameOf(term), " ", node(root, "small", {}, plain(b)));
  return node(root, "div", { class: "dl-panel", "data-term": term }, heading, svg);
}

function render({ model, el }) {
  const facts = model.get("facts");
  frame(model, el, null, (root, state) => {
    const stop = button(root, {}, () => {
      model.set("asked", "stop");
      model.save_changes();
      update();
    }, say("■ Stop and keep a checkpoint"));
    const progress = node(root, "progress", { max: 1, "aria-label": say("Training") });
    const text = node(root, "span", { "data-value": "progress" });
    const panels = node(root, "div", { class: "dl-panels" });
    const anew = node(root, "p", {}, say("To start anew: "), node(root, "code", {}, facts.anew));
    root.append(node(root, "div", { class: "dl-bar" }, stop, progress, text), panels, anew);

    const update = () => {
      const { lines, left, status } = state();
      const asked = model.get("asked") === "stop";
      const running = status === "running";
      const first = lines.length ? lines[0].iteration : Infinity; // a run that began anew has no earlier records
      const earlier = facts.earlier.filter((line) => line.iteration < first);
      const last = [...earlier, ...lines].pop();
      stop.setAttribute("aria-disabled", String(asked || !running));
      root.dataset.status = status;
      anew.hidden = running || !facts.anew;
      if (last) progress.value = last.iteration / last.iterations;
      if (status === "finished") progress.value = 1;
      else if (!running && !last) progress.value = 0; // a bar without a value moves for ever
      const done = last ? say("{iteration} of {iterations} iterations · ", last) : "";
      const pace = { time: duration(left), speed: (last?.speed ?? 0).toFixed(1) };
      const now = asked ? say("stopping after this step") : say("{time} left · {speed} images / s", pace);
      if (running) text.textContent = done + (lines.length ? now : say("waiting for the first record"));
      else if (status === "stopped") text.textContent = done + say("stopped; run the cell again with resume=True to go on");
      else text.textContent = lines.length ? done + say("finished") : say("nothing left to train: the checkpoint is at the last iteration");
      const shown = last ? facts.terms.map((term) => curveOf(root, term, earlier, lines)).filter(Boolean) : [];
      panels.style.setProperty("--dl-columns", shown.length > 4 ? 3 : Math.max(3, shown.length));
      panels.replaceChildren(...shown);
      if (!running) return status === "stopped" ? say("Training stopped.") : say("Training finished.");
      return last ? say("{share} % trained", { share: Math.floor((10 * last.iteration) / last.iterations) * 10 }) : "";
    };
    return { update };
  });
}
