// A grid of two factors in the plane of two latents: lines of one factor blue, of the other orange.

// codes: for each place of the grid, row by row, its two coordinates. -> {draw, mark, svg}
function latticeIn(parent, { sizes: [rows, columns], factors, limit }) {
  const make = (tag, attributes, within) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return within.appendChild(element);
  };
  const box = `${-limit} ${-limit} ${2 * limit} ${2 * limit}`;
  const svg = make("svg", { viewBox: box, class: "plane", role: "img" }, parent);
  make("path", { d: `M${-limit} 0H${limit}M0 ${-limit}V${limit}`, class: "axes" }, svg);
  const lines = [make("path", { class: "first" }, svg), make("path", { class: "second" }, svg)];
  const dot = make("circle", { r: limit / 28, class: "dot", visibility: "hidden" }, svg);
  const path = (points) => "M" + points.map(([x, y]) => `${x.toFixed(3)} ${(-y).toFixed(3)}`).join("L");
  const each = (count) => Array.from({ length: count }, (_, n) => n);

  function draw(points, label) {
    const at = (r, c) => points[r * columns + c];
    lines[0].setAttribute("d", each(rows).map((r) => path(each(columns).map((c) => at(r, c)))).join(""));
    lines[1].setAttribute("d", each(columns).map((c) => path(each(rows).map((r) => at(r, c)))).join(""));
    svg.setAttribute("aria-label", label);
  }
  function mark(x, y) {
    dot.setAttribute("cx", Math.max(-limit, Math.min(limit, x)));
    dot.setAttribute("cy", Math.max(-limit, Math.min(limit, -y)));
    dot.setAttribute("visibility", "visible");
  }
  function placeOf(event) {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [x, -y];
  }
  const legend = add(parent, "p", { className: "legend" });
  ["first", "second"].forEach((className, n) =>
    add(legend, "span", { className, textContent: `only ${factors[1 - n]} changes` }));
  return { svg, draw, mark, placeOf };
}

// The lattice at several moments of a training. content: {sizes, factors, limit, axes,
// moments: [{label, points}]}
function lattice(root, content) {
  const live = takeOver(root), { moments, axes } = content;
  if (content.title) add(live, "div", { className: "title", textContent: content.title });
  const plane = latticeIn(add(live, "div", { className: "lattice" }), content);
  const beside = add(live, "div", { className: "beside" });
  const panel = add(beside, "div", { className: "sliders" });
  let at = moments.length - 1;
  const nameAt = (value) => moments[Math.round(value)].label;
  const slider = sliderIn(panel, "training", { min: 0, max: moments.length - 1, step: "any", value: at }, nameAt);
  function draw() {
    const from = Math.floor(at), part = at - from;
    const after = moments[Math.min(from + 1, moments.length - 1)].points;
    const points = moments[from].points.map(([x, y], n) => [
      x + part * (after[n][0] - x),
      y + part * (after[n][1] - y),
    ]);
    const words = `Lattice of ${content.factors.join(" and ")} in the plane of ${axes.join(" and ")}`;
    plane.draw(points, `${words}, ${nameAt(at)}`);
    slider.set(at);
  }
  const soon = oncePerFrame(draw);
  slider.range.addEventListener("input", () => {
    at = Number(slider.range.value);
    soon();
  });
  // A slider without steps has tiny ones for the keys; here a key goes to the next moment.
  slider.range.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    at = Math.max(0, Math.min(moments.length - 1, Math.round(at) + step));
    soon();
  });
  player(add(beside, "div", { className: "buttons" }), root, "Play", (seconds) => {
    at = Math.min(1, (seconds % 8) / 6) * (moments.length - 1); // and stand for two seconds
    draw();
  });
  add(beside, "p", { className: "note", textContent: `Right: ${axes[0]}; up: ${axes[1]}.` });
  draw();
}
