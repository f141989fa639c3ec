// The training monitor: curves of the records that have come, seconds left, a stop.

const TERMS = { loss: "objective", task: "task", sisr: "SISR error", affinity: "feature affinity",
  learning_rate: "learning rate", miou: "validation mIoU" };

function duration(seconds) {
  if (seconds == null) return "–";
  const whole = Math.round(seconds);
  return whole < 90 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

const plain = (value) => (Math.abs(value) >= 0.001 || value === 0 ? value.toPrecision(3) : value.toExponential(1));

// One curve as SVG; the last value stands in words above it.
function curveOf(root, term, lines) {
  const points = lines.filter((line) => line[term] != null).map((line) => [line.iteration, line[term]]);
  if (!points.length || points.every(([, value]) => value === 0)) return null;
  const [w, h, left, bottom] = [220, 130, 50, 18];
  const most = lines[lines.length - 1].iterations;
  const values = points.map(([, value]) => value);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - Math.abs(low) * 0.05 - 1e-9, high + Math.abs(high) * 0.05 + 1e-9];
  const x = (value) => left + ((w - left - 8) * value) / most;
  const y = (value) => 8 + ((h - bottom - 8) * (high - value)) / (high - low);
  const make = (tag, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  };
  const svg = make("svg", { viewBox: `0 0 ${w} ${h}`, role: "img",
    "aria-label": `${TERMS[term]}: from ${plain(values[0])} to ${plain(values[values.length - 1])}` });
  svg.append(make("line", { x1: left, x2: w - 8, y1: h - bottom, y2: h - bottom, class: "dl-axis" }));
  for (const value of [low, high]) {
    svg.append(make("line", { x1: left, x2: w - 8, y1: y(value), y2: y(value), class: "dl-grid" }));
    svg.append(make("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, plain(value)));
  }
  svg.append(make("text", { x: left, y: h - 4 }, "0"), make("text", { x: w - 8, y: h - 4, "text-anchor": "end" }, most));
  svg.append(make("polyline", { points: points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" "), class: "dl-curve" }));
  const [a, b] = points[points.length - 1];
  svg.append(make("circle", { cx: x(a), cy: y(b), r: 3, class: "dl-dot" }));
  const heading = node(root, "h3", {}, TERMS[term], " ", node(root, "small", {}, plain(b)));
  return node(root, "div", { class: "dl-panel", "data-term": term }, heading, svg);
}

function renderTraining({ model, el }) {
  const facts = model.get("facts");
  frame(model, el, (root, live) => {
    const state = () => model.get("state");
    const ask = () => {
      model.set("asked", "stop");
      model.save_changes();
      update();
    };
    const stop = node(root, "button", { type: "button", click: ask }, "■ Stop and keep a checkpoint");
    const progress = node(root, "progress", { max: 1, "aria-label": "Training" });
    const text = node(root, "span", {});
    const panels = node(root, "div", { class: "dl-strip" });
    root.append(node(root, "div", { class: "dl-bar" }, stop, progress, text), panels);
    let told = "";

    const update = guarded(root, () => {
      const { lines, left, status } = state();
      const asked = model.get("asked") === "stop";
      const last = lines[lines.length - 1];
      stop.disabled = asked || status !== "running";
      root.dataset.status = status;
      if (last) {
        progress.value = last.iteration / last.iterations;
        text.textContent = `${last.iteration} of ${last.iterations} iterations · ` + (status === "running"
          ? asked ? "stopping after this step" : `${duration(left)} left · ${(last.speed ?? 0).toFixed(1)} images / s`
          : status === "finished" ? "finished" : "stopped; resume=True goes on from the checkpoint");
      } else text.textContent = status === "running" ? "waiting for the first record" : "nothing left to train";
      panels.replaceChildren(...facts.terms.map((term) => last && curveOf(root, term, lines)).filter(Boolean));
      const tenth = last ? `${Math.floor((10 * last.iteration) / last.iterations) * 10} % trained` : "";
      const words = status === "running" ? tenth : `Training ${status}.`;
      if (words !== told) live.textContent = told = words; // not at every record: a listener wants to work
    });
    model.on("change:state", update);
    update();
  });
}

const widget = { render: renderTraining };
export default widget;
