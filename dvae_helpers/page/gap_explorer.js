// A perfect code of two factors, rotated and copied: the lattice turns in the page, and the scores
// of each place, computed beforehand, are looked up.
//
// content: {title, factors, sizes, points: the code, (40, 2), degrees, copies, names: of the scores,
// scores: at [copy][degrees] four numbers, shares: at [copy][degrees] six, factors by latents}

function gapExplorer(root, content) {
  const live = takeOver(root), { degrees, copies, names, factors } = content;
  if (content.title) add(live, "div", { className: "title", textContent: content.title });
  const panel = add(live, "div", { className: "sliders across" });
  const turn = sliderIn(panel, "rotate", { min: 0, max: degrees.length - 1, step: 1 }, (n) => `${degrees[n]}°`);
  const copy = sliderIn(panel, "copy", { min: 0, max: copies.length - 1, step: 1 }, (n) => copies[n].toFixed(1));
  const plane = latticeIn(add(live, "div", { className: "lattice small" }), { ...content, limit: 2.6 });
  const table = add(add(live, "div", { className: "shares" }), "table");
  add(table, "caption", { textContent: "mutual information / entropy" });
  const head = add(add(table, "thead"), "tr"), body = add(table, "tbody");
  add(head, "td");
  for (const j of [0, 1, 2]) add(head, "th", { textContent: `latent ${j}`, scope: "col" });
  const cells = factors.flatMap((factor) => {
    const row = add(body, "tr");
    add(row, "th", { textContent: `factor ${factor}`, scope: "row" });
    return [0, 1, 2].map(() => add(row, "td"));
  });
  const each = names.map((_, k) => [k + 0.15, k + 0.85]);
  const chart = chartIn(add(live, "div", { className: "scores" }), {
    width: 300, height: 200, x: { range: [0, names.length] }, y: { range: [0, 1.12], ticks: [0, 0.5, 1] },
  });
  const bars = each.map(([from, to], k) => chart.bar(`colour${k}`, from, to));
  const numbers = each.map((_, k) => chart.words("", k + 0.5, 0));
  const legend = add(chart.svg.parentNode, "p", { className: "names" });
  names.forEach((name) => add(legend, "span", { textContent: name }));
  function draw() {
    const n = Number(turn.range.value), m = Number(copy.range.value);
    turn.set(n);
    copy.set(m);
    const angle = (degrees[n] * Math.PI) / 180, cos = Math.cos(angle), sin = Math.sin(angle);
    const turned = content.points.map(([a, b]) => [a * cos - b * sin, a * sin + b * cos]);
    plane.draw(turned, `The lattice of the two factors, turned by ${degrees[n]} degrees`);
    content.shares[m][n].forEach((share, k) => {
      cells[k].textContent = share.toFixed(2);
      cells[k].style.background = `rgba(0, 114, 178, ${(0.35 * share).toFixed(2)})`; // read in black and in white
    });
    const scores = content.scores[m][n];
    scores.forEach((score, k) => {
      bars[k](score);
      numbers[k](score.toFixed(2), score);
    });
    chart.say(names.map((name, k) => `${name} ${scores[k].toFixed(2)}`).join(", "));
  }
  const soon = oncePerFrame(draw);
  for (const { range } of [turn, copy]) range.addEventListener("input", soon);
  draw();
}
