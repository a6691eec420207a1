// Sliders for a code, and what one decoder or several draw from it, all in the page.
//
// content: {title, networks, names, latents: [{label, use, asleep, places, signs}], lattice, moving,
//   starts: {sheet, codes, words}}; codes[m][n] is model m's code of picture n of the sheet. Latent r of
//   the list is number places[m] in model m, with its sign, so that one slider moves them all alike.
// changed(codes): told of the code of each model after each drawing. -> {go(code of model 0)}

function explorer(root, content, changed = () => {}) {
  const { networks, names, latents, starts } = content, shape = networks[0].shape, reach = 3;
  const decode = networks.map((network) => networkOf(network.decoder));
  const encode = networks.map((network) => network.encoder && networkOf(network.encoder));
  const live = takeOver(root);
  if (content.title) add(live, "div", { className: "title", textContent: content.title });

  const seen = add(live, "div", { className: "seen" });
  const pictures = add(seen, "div", { className: "pictures" });
  const framed = (words, size) => {
    const frame = add(pictures, "div", { className: "picture" }), drawn = screen(frame, size);
    add(frame, "span", { textContent: words });
    return drawn;
  };
  const beside = content.original || (encode[0] ? "the picture: drag it, or paint" : "the picture");
  const original = framed(beside, shape);
  const screens = networks.map((network, m) => framed(names[m], network.shape));
  const choice = add(seen, "div", { className: "choice" }, { role: "group", "aria-label": "Start from" });
  const buttons = add(seen, "div", { className: "buttons" });
  const panel = add(live, "div", { className: "sliders" });

  let codes = networks.map(({ latents }) => new Float32Array(latents)), start = codes;
  let number = 0, last = "", album = [];
  const copy = (all) => all.map((code) => Float32Array.from(code));

  const valueOf = ({ places, signs }, from) => signs[0] * from[0][places[0]];
  function move(row, to) {
    const by = to - valueOf(row, codes);
    row.places.forEach((j, m) => (codes[m][j] += row.signs[m] * by));
  }
  const rows = [];
  const sliderOf = (row, parent) => {
    const name = add(document.createElement("span"), "span", { textContent: row.label });
    const use = add(document.createElement("span"), "small", { textContent: row.use });
    const slider = sliderIn(parent, [name, use], { min: -reach, max: reach, step: 0.01 });
    slider.range.addEventListener("input", () => {
      move(row, Number(slider.range.value));
      last = row.label;
      soon();
    });
    rows.push({ row, slider });
  };
  latents.filter(({ asleep }) => !asleep).forEach((row) => sliderOf(row, panel));
  const sleeping = latents.filter(({ asleep }) => asleep);
  if (sleeping.length) {
    const folded = add(panel, "details"), inside = add(folded, "div", { className: "sliders" });
    const few = sleeping.length === 1 ? "1 latent that is" : `${sleeping.length} latents that are`;
    folded.prepend(add(document.createElement("div"), "summary", { textContent: `${few} not used` }));
    sleeping.forEach((row) => sliderOf(row, inside));
  }

  const plane = content.lattice && latticeBeside(live, content, (code) => {
    codes[0].set(code);
    last = "";
    soon();
  });

  function draw() {
    for (const { row, slider } of rows) {
      const value = valueOf(row, codes);
      slider.set(value);
      slider.words.classList.toggle("moved", Math.abs(value - valueOf(row, start)) > 0.005);
    }
    const moved = rows.find(({ row }) => row.label === last);
    const words = moved ? `${last} at ${signed(valueOf(moved.row, codes))}` : "its own code";
    screens.forEach(({ show }, m) => show(decode[m](codes[m]), `Drawn by ${names[m]}, ${words}`));
    plane?.mark(codes[0]);
    changed(codes.map((code) => [...code]));
  }
  const soon = oncePerFrame(draw);

  function begin(from) {
    start = copy(from);
    codes = copy(from);
    last = "";
    soon();
  }
  const nameOf = (n) => `Picture ${n + 1}` + (starts.words ? `: ${starts.words[n]}` : "");
  function show(n) {
    number = n;
    original.show(album[n], nameOf(n));
    [...choice.children].forEach((button, k) => button.setAttribute("aria-pressed", k === n));
    begin(starts.codes.map((all) => all[n]));
  }
  const button = (words, act) =>
    add(buttons, "button", { type: "button", textContent: words }).addEventListener("click", act);
  button("Back to its code", () => begin(start));
  button("Random code", () => {
    const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
    for (const { row } of rows) move(row, Math.max(-reach, Math.min(reach, normal())));
    last = "";
    soon();
  });
  // One latent after another, there and back, three seconds each.
  player(buttons, root, "Play", (seconds) => {
    const awake = rows.filter(({ row }) => !row.asleep);
    const { row } = awake[Math.floor(seconds / 3) % awake.length];
    codes = copy(start);
    move(row, valueOf(row, start) + 2.2 * Math.sin(((seconds % 3) / 3) * 2 * Math.PI));
    last = row.label;
    draw();
  }, content.moving);
  if (encode[0]) easel(original, buttons, shape, () => album[number], (values) => {
    begin(encode.map((network, m) => network(values).slice(0, networks[m].latents)));
  });

  const ready = picturesOf(starts.sheet, shape).then((all) => {
    album = all;
    if (album.length > 1) album.forEach((values, n) => {
      const one = add(choice, "button", { type: "button" }, { "aria-label": nameOf(n), title: nameOf(n) });
      screen(one, shape).show(values, "");
      one.firstChild.setAttribute("aria-hidden", true);
      one.addEventListener("click", () => show(n));
    });
    show(0);
    draw();
  });
  return {
    ready,
    go(code) {
      codes[0].set(code);
      soon();
    },
  };
}

// The lattice of model 0; pointing at it sets the code of the nearest place of the grid.
function latticeBeside(live, { lattice, latents }, go) {
  const place = add(live, "div", { className: "lattice" });
  const choose = add(place, "div", { className: "axes" });
  const plane = latticeIn(place, lattice), axes = [...lattice.axes];
  const said = add(place, "p", { className: "note", textContent: "Point at the lattice." });
  let current = null;
  const points = () => lattice.codes.map((code) => axes.map((j) => code[j]));
  function draw() {
    const name = (j) => latents.find(({ places }) => places[0] === j).label;
    plane.draw(points(), `Lattice of ${lattice.factors.join(" and ")}: right ${name(axes[0])}, up ${name(axes[1])}`);
    if (current) plane.mark(current[axes[0]], current[axes[1]]);
  }
  ["right: ", "up: "].forEach((words, n) => {
    const menu = add(add(choose, "label", { textContent: words }), "select");
    latents.forEach(({ label, places: [j] }) =>
      add(menu, "option", { value: j, textContent: label, selected: j === axes[n] }));
    menu.addEventListener("change", () => {
      axes[n] = Number(menu.value);
      draw();
    });
  });
  const point = (event) => {
    const [x, y] = plane.placeOf(event), columns = lattice.sizes[1];
    const far = points().map(([a, b]) => (a - x) ** 2 + (b - y) ** 2);
    const n = far.indexOf(Math.min(...far));
    const values = [lattice.values[0][Math.floor(n / columns)], lattice.values[1][n % columns]];
    said.textContent = lattice.factors.map((factor, k) => `${factor} = ${values[k]}`).join(", ");
    go(lattice.codes[n]);
  };
  plane.svg.addEventListener("pointermove", point);
  plane.svg.addEventListener("pointerdown", point);
  draw();
  return {
    mark(code) {
      current = code;
      plane.mark(code[axes[0]], code[axes[1]]);
    },
  };
}

// The original becomes paper: it is dragged (or moved with the arrow keys), painted on, wiped.
function easel({ canvas, show }, buttons, [channels, height, width], original, changed) {
  let paper = null, tool = "drag", from = null;
  const menu = add(add(buttons, "label", { textContent: "on the picture: " }), "select");
  for (const [value, textContent] of [["drag", "drag it"], ["paint", "paint"], ["wipe", "wipe"]])
    add(menu, "option", { value, textContent });
  const colour = channels === 3 && add(buttons, "input", { type: "color", value: "#d55e00" }, { "aria-label": "colour" });
  menu.addEventListener("change", () => (tool = menu.value));
  canvas.tabIndex = 0;
  canvas.classList.add("paper");

  const taken = () => (paper && paper.of === original() ? paper.values : original());
  function put(values) {
    paper = { of: original(), values };
    show(values, "Your picture");
    changed(values);
  }
  const clamp = (value, most) => Math.max(0, Math.min(most, value));
  function shift(values, right, down) {
    const moved = new Float32Array(values.length);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const at = clamp(y - down, height - 1) * width + clamp(x - right, width - 1);
        for (let c = 0; c < channels; c++) moved[(y * width + x) * channels + c] = values[at * channels + c];
      }
    return moved;
  }
  function brush(values, x, y) {
    const painted = Float32Array.from(values), radius = width / 14;
    const rgb = colour ? [1, 3, 5].map((i) => parseInt(colour.value.slice(i, i + 2), 16) / 255) : [1];
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        if ((row + 0.5 - y) ** 2 + (column + 0.5 - x) ** 2 > radius ** 2) continue;
        for (let c = 0; c < channels; c++)
          painted[(row * width + column) * channels + c] = tool === "wipe" ? values[c] : rgb[c];
      }
    return painted;
  }
  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };
  const act = (event) => {
    if (!from) return;
    const [x, y] = placeOf(event);
    if (tool === "drag") put(shift(from.values, Math.round(x - from.x), Math.round(y - from.y)));
    else put(brush(taken(), x, y));
  };
  canvas.addEventListener("pointerdown", (event) => {
    const [x, y] = placeOf(event);
    from = { x, y, values: taken() };
    canvas.setPointerCapture(event.pointerId);
    act(event);
  });
  canvas.addEventListener("pointermove", act);
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => (from = null));
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault();
    put(shift(taken(), ...by));
  });
}
