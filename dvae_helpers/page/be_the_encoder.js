// Two sliders are the encoder: mean and spread of a Gaussian beside the true posterior, and the
// slack KL(q || p(z|x)) between them. content: {title, mean, spread, start: [mean, spread]}

function beTheEncoder(root, content) {
  const live = takeOver(root), { mean, spread } = content;
  if (content.title) add(live, "div", { className: "title", textContent: content.title });
  const panel = add(live, "div", { className: "sliders" });
  const low = -3.2, high = 3.2, grid = Array.from({ length: 161 }, (_, n) => low + (n * (high - low)) / 160);
  const density = (z, m, s) => Math.exp(-0.5 * ((z - m) / s) ** 2) / (s * Math.sqrt(2 * Math.PI));
  const tallest = Math.max(1.2, 1.15 * density(mean, mean, spread));
  const wide = add(live, "div", { className: "wide" });
  const curves = chartIn(wide, {
    width: 330, height: 180,
    x: { range: [low, high], label: "code z", ticks: [-3, -2, -1, 0, 1, 2, 3] }, y: { range: [0, tallest] },
  });
  const side = chartIn(add(live, "div", { className: "narrow" }), {
    width: 130, height: 200, x: { range: [0, 1] }, y: { range: [0, 10], label: "slack, nats", ticks: [0, 2, 4, 6, 8, 10] },
  });
  curves.line("first")(grid.map((z) => [z, density(z, mean, spread)]));
  const mine = curves.line("second");
  const legend = add(wide, "p", { className: "legend" });
  add(legend, "span", { className: "first", textContent: "true posterior" });
  add(legend, "span", { className: "second", textContent: "your encoder" });
  const bar = side.bar("second", 0.2, 0.8), number = side.words("", 0.5, 0);
  const said = add(panel, "p", { className: "note" }, { role: "status" });
  const sliders = [
    sliderIn(panel, "mean", { min: -3, max: 3, step: 0.01, value: content.start[0] }),
    sliderIn(panel, "spread", { min: 0.1, max: 2, step: 0.01, value: content.start[1] }, (v) => Number(v).toFixed(2)),
  ];
  panel.append(said);
  let least = Infinity;
  function draw() {
    const [m, s] = sliders.map(({ range }) => Number(range.value));
    sliders[0].set(m);
    sliders[1].set(s);
    const slack = Math.log(spread / s) + (s ** 2 + (m - mean) ** 2) / (2 * spread ** 2) - 0.5;
    mine(grid.map((z) => [z, density(z, m, s)]));
    bar(Math.min(slack, 10));
    number(slack.toFixed(2), Math.min(slack, 9.3));
    least = Math.min(least, slack);
    said.textContent = least < 0.005
      ? "Slack 0: your encoder is the true posterior."
      : `Slack ${slack.toFixed(2)} nats; your best so far ${least.toFixed(2)}.`;
    curves.say(`The true posterior and your encoder with mean ${m.toFixed(2)} and spread ${s.toFixed(2)}`);
    side.say(`slack ${slack.toFixed(2)} nats`);
  }
  const soon = oncePerFrame(draw);
  for (const { range } of sliders) range.addEventListener("input", soon);
  draw();
}
