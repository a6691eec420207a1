// Axes, lines, dots and bars as SVG. Coordinates are those of the data.

// x, y: {range: [low, high], label, ticks}; an axis without ticks has none.
// -> {svg, line(class), dot(class), bar(class), words(class), say(label)}
function chartIn(parent, { width = 320, height = 240, x, y }) {
  const make = (tag, attributes, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    return svg.appendChild(element);
  };
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("class", "chart");
  svg.setAttribute("role", "img");
  parent.append(svg);
  const left = y.ticks ? 44 : 14, right = width - 8, top = 12, low = height - (x.label || x.ticks ? 40 : 10);
  const part = (value, [from, to]) => (value - from) / (to - from);
  const across = (value) => left + part(value, x.range) * (right - left);
  const up = (value) => low - Math.max(-0.02, Math.min(1.02, part(value, y.range))) * (low - top);
  make("path", { d: `M${left} ${top}V${low}H${right}`, class: "axes" });
  for (const value of x.ticks || [])
    make("text", { x: across(value), y: low + 16, "text-anchor": "middle" }, `${value}`);
  for (const value of y.ticks || [])
    make("text", { x: left - 5, y: up(value) + 4, "text-anchor": "end" }, `${value}`);
  if (x.label) make("text", { x: (left + right) / 2, y: height - 6, "text-anchor": "middle" }, x.label);
  if (y.label) {
    const middle = height / 2;
    make("text", { x: 12, y: middle, transform: `rotate(-90 12 ${middle})`, "text-anchor": "middle" }, y.label);
  }
  return {
    svg,
    line(kind) {
      const path = make("path", { class: kind });
      return (points) =>
        path.setAttribute("d", "M" + points.map(([a, b]) => `${across(a).toFixed(1)} ${up(b).toFixed(1)}`).join("L"));
    },
    dot(kind, radius = 4) {
      const circle = make("circle", { class: kind, r: radius });
      return (a, b, r = radius) => {
        circle.setAttribute("cx", across(a));
        circle.setAttribute("cy", up(b));
        circle.setAttribute("r", r);
      };
    },
    bar(kind, from, to) {
      const box = make("rect", { class: kind, x: across(from), width: across(to) - across(from) });
      return (value) => {
        box.setAttribute("y", up(value));
        box.setAttribute("height", low - up(value));
      };
    },
    words(kind, a, b, anchor = "middle") {
      const text = make("text", { class: kind, x: across(a), "text-anchor": anchor });
      return (said, height = b) => {
        text.textContent = said;
        text.setAttribute("y", up(height) - 4);
      };
    },
    say: (label) => svg.setAttribute("aria-label", label),
  };
}
