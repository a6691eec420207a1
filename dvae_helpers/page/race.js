// A game: from one fruit to another in as few moves of sliders as can be, with one code or another.
//
// content: {title, factors, sizes, values: names of the values of the first factors, codes: {name:
// matrix}, start, goal: factor values, fruit: {sheet, side, size, first, step, most, colours,
// shades}}. A code is its matrix times the standardised factor values; its transpose goes back.

function race(root, content) {
  const { factors, sizes, codes, fruit } = content, live = takeOver(root), names = Object.keys(codes);
  if (content.title) add(live, "div", { className: "title", textContent: content.title });
  const middle = sizes.map((size) => (size - 1) / 2), spread = sizes.map((size) => Math.sqrt((size * size - 1) / 12));
  const times = (matrix, vector) => matrix.map((row) => row.reduce((sum, r, k) => sum + r * vector[k], 0));
  const turned = (matrix) => matrix[0].map((_, k) => matrix.map((row) => row[k]));
  const encode = (matrix, values) => times(matrix, values.map((v, k) => (v - middle[k]) / spread[k]));
  const decode = (matrix, code) => times(turned(matrix), code).map((v, k) =>
    Math.max(0, Math.min(sizes[k] - 1, Math.round(v * spread[k] + middle[k]))));

  const seen = add(live, "div", { className: "seen" });
  const top = add(seen, "div", { className: "buttons" }, { role: "group", "aria-label": "Which code" });
  const pictures = add(seen, "div", { className: "pictures" }), shape = [3, fruit.size, fruit.size];
  const framed = (words) => {
    const frame = add(pictures, "div", { className: "picture" }), drawn = screen(frame, shape);
    add(frame, "span", { textContent: words });
    return drawn;
  };
  const [mine, wanted] = ["yours", "the goal"].map(framed);
  const said = add(seen, "p", { className: "note" }, { role: "status" });
  const buttons = add(seen, "div", { className: "buttons" });
  const panel = add(live, "div", { className: "sliders" });
  const sliders = factors.map((_, j) => sliderIn(panel, `latent ${j}`, { min: -1, max: 1, step: "any" }));

  let layers = [], name = names[0], start = content.start, goal = content.goal, moves = 0, last = null, done = false;
  const best = {};

  // As the course's fruits are drawn: light times colour plus other light, on a grey ground.
  function paint([kind, colour, size, x, y, shade]) {
    const { side, first, step, most } = fruit, at = 5 * (kind * sizes[2] + size);
    const [light, red, green, blue, cover] = layers.slice(at, at + 5), rgb = fruit.colours[colour];
    const values = new Float32Array(3 * fruit.size ** 2).fill(fruit.shades[shade]);
    const left = first + step * x - side / 2, above = first + step * y - side / 2;
    for (let v = 0; v < side; v++)
      for (let u = 0; u < side; u++) {
        const row = above + v, column = left + u, p = v * side + u;
        if (row < 0 || column < 0 || row >= fruit.size || column >= fruit.size) continue;
        [red, green, blue].forEach((extra, c) => {
          const part = Math.min(most * (light[p] * rgb[c] + extra[p]), most * cover[p]);
          values[3 * (row * fruit.size + column) + c] = part + fruit.shades[shade] * (1 - most * cover[p]);
        });
      }
    return values;
  }
  const words = (values) => values.map((v, k) => `${factors[k]} ${content.values?.[k]?.[v] ?? v}`).join(", ");
  const plural = (count) => `${count} move${count === 1 ? "" : "s"}`;
  function draw() {
    const code = sliders.map(({ range }) => Number(range.value));
    sliders.forEach((slider, j) => slider.set(code[j]));
    const values = decode(codes[name], code), right = values.filter((v, k) => v === goal[k]).length;
    mine.show(paint(values), `Your fruit: ${words(values)}`);
    if (right === factors.length && !done) {
      done = true;
      best[name] = Math.min(moves, best[name] ?? Infinity);
    }
    const record = Object.entries(best).map(([who, count]) => `${who} ${count}`).join(", ");
    said.textContent = done
      ? `There, in ${plural(moves)} with ${name}! Best so far: ${record}.`
      : `${plural(moves)}; ${right} of ${factors.length} factors are right.` + (record ? ` Best so far: ${record}.` : "");
    said.classList.toggle("done", done);
  }
  const soon = oncePerFrame(draw);
  sliders.forEach(({ range }) => {
    range.addEventListener("input", () => {
      if (last !== range && !done) moves++; // a drag, or keys on one slider, are one move
      last = range;
      soon();
    });
    range.addEventListener("pointerup", () => (last = null));
  });
  function restart() {
    const code = encode(codes[name], start), corner = middle.map((m, k) => m / spread[k]);
    const reach = Math.max(...codes[name].map((row) => row.reduce((sum, r, k) => sum + Math.abs(r) * corner[k], 0)));
    sliders.forEach(({ range, set }, j) => {
      Object.assign(range, { min: -reach, max: reach });
      set(code[j]);
    });
    [moves, last, done] = [0, null, false];
    [...top.children].forEach((button) => button.setAttribute("aria-pressed", button.textContent === name));
    wanted.show(paint(goal), `The goal: ${words(goal)}`);
    draw();
  }
  const button = (parent, text, act) =>
    add(parent, "button", { type: "button", textContent: text }).addEventListener("click", act);
  names.forEach((one) => button(top, one, () => {
    name = one;
    restart();
  }));
  button(buttons, "Start again", restart);
  button(buttons, "Another goal", () => {
    goal = sizes.map((size) => Math.floor(size * Math.random()));
    for (const one of Object.keys(best)) delete best[one];
    restart();
  });
  picturesOf(fruit.sheet, [1, fruit.side, fruit.side]).then((found) => {
    layers = found;
    restart();
  });
}
