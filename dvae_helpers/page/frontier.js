// A slider moves beta along the trade-off of rate and distortion. All pictures are in the page.
//
// content: {title, betas, points: for each beta [[rate, distortion], ...], rebuilt, moved: a sheet
// for each beta, latents: for each beta the numbers of the rows, values}

function frontier(root, content) {
  const live = takeOver(root), { betas, points, latents, values } = content;
  live.classList.add("frontier");
  if (content.title) add(live, "div", { className: "title", textContent: content.title });
  const panel = add(live, "div", { className: "sliders across" });
  const slider = sliderIn(panel, "beta", { min: 0, max: betas.length - 1, step: 1 }, (n) => `${betas[n]}`);
  const all = content.curve.flatMap(({ points }) => points);
  const ends = (k) => {
    const found = all.map((point) => point[k]), low = Math.min(...found), high = Math.max(...found);
    const edge = 0.12 * (high - low || 1);
    return [low - edge, high + edge];
  };
  const round = ([low, high]) => {
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((one) => (high - low) / one <= 5) || 2000;
    return Array.from({ length: 8 }, (_, n) => (Math.ceil(low / step) + n) * step).filter((v) => v <= high);
  };
  const [x, y] = ["rate, nats per image", "distortion, nats per image"].map((label, k) => ({
    range: ends(k), label, ticks: round(ends(k)),
  }));
  const chart = chartIn(add(live, "div", { className: "plane-of-rates" }), { width: 240, height: 215, x, y });
  const mean = (list, k) => list.reduce((sum, point) => sum + point[k], 0) / list.length;
  chart.line("quiet")(content.curve.map(({ points }) => [mean(points, 0), mean(points, 1)]));
  for (const { beta, points } of content.curve) {
    for (const [rate, distortion] of points) chart.dot("dot")(rate, distortion, 3);
  }
  const most = Math.max(...points.map(({ length }) => length));
  const chosen = Array.from({ length: most }, () => chart.dot("chosen"));
  for (const { beta, points } of content.curve)
    chart.words("beside", mean(points, 0), mean(points, 1), "start")(`${beta}`);
  const seen = add(live, "div", { className: "sheets" });
  const framed = (words) => {
    const frame = add(seen, "div", { className: "framed" });
    add(frame, "p", { textContent: words });
    return add(frame, "div");
  };
  const places = { rebuilt: framed("images, and their reconstructions"), moved: framed("one latent moved in each row") };
  const pictures = Object.entries(places).map(([kind, place]) =>
    content[kind].map((src) => add(place, "img", { src, hidden: true, className: kind })));
  const said = add(live, "p", { className: "note" }, { role: "status" });
  function draw() {
    const n = Number(slider.range.value), shown = points[n];
    slider.set(n);
    chosen.forEach((dot, k) => (k < shown.length ? dot(...shown[k], 7) : dot(0, 0, 0)));
    pictures.forEach((all) => all.forEach((picture, k) => (picture.hidden = k !== n)));
    pictures[0][n].alt = `Images above, their reconstructions at beta = ${betas[n]} below`;
    pictures[1][n].alt = `Rows of pictures; latents ${latents[n].join(", ")} go from ${values[0]} to ${values.at(-1)}`;
    const [rate, distortion] = [0, 1].map((k) => mean(shown, k).toFixed(1));
    said.textContent = `beta = ${betas[n]}: rate ${rate}, distortion ${distortion} nats per image.`;
    chart.say(`Rate and distortion of the models; ${said.textContent}`);
  }
  slider.range.addEventListener("input", oncePerFrame(draw));
  draw();
}
