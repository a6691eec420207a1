// Two pictures, a box to tick for each latent, and what the decoder draws from the mixed code.
//
// content: {title, network, latents: [{label, use, asleep, place}], starts: {sheet, codes, words}, shown:
// [number of A, number of B]}; the pictures can be chosen among those of the sheet.

function swapper(root, content) {
  const { network, starts } = content, decode = networkOf(network.decoder), live = takeOver(root);
  if (content.title) add(live, "div", { className: "title", textContent: content.title });
  const seen = add(live, "div", { className: "seen" });
  const pictures = add(seen, "div", { className: "pictures" });
  const framed = (words) => {
    const frame = add(pictures, "div", { className: "picture" }), drawn = screen(frame, network.shape);
    add(frame, "span", { textContent: words });
    return drawn;
  };
  const [a, mixed, b] = ["A", "the mixed code", "B"].map(framed);
  const buttons = add(seen, "div", { className: "buttons" });
  const panel = add(live, "div", { className: "ticks" }, { role: "group", "aria-label": "Take from B" });
  add(panel, "p", { textContent: "Take from B:" });
  const rows = content.latents.filter(({ asleep }) => !asleep).map((row) => {
    const whole = add(panel, "label"), box = add(whole, "input", { type: "checkbox" });
    const words = add(whole, "span", { textContent: row.label });
    add(words, "small", { textContent: row.use });
    box.addEventListener("change", () => soon());
    return { ...row, box };
  });
  const numbers = [...content.shown];
  let album = [];
  function draw() {
    const [codeA, codeB] = numbers.map((n) => starts.codes[n]), code = Float32Array.from(codeA);
    const taken = rows.filter(({ box }) => box.checked);
    for (const { place } of taken) code[place] = codeB[place];
    const words = taken.length ? taken.map(({ label }) => label).join(", ") : "nothing";
    mixed.show(decode(code), `Drawn from the code of A with ${words} from B`);
  }
  const soon = oncePerFrame(draw);
  const told = (n) => (starts.words ? `: ${starts.words[n]}` : "");
  function show() {
    [a, b].forEach((one, k) => one.show(album[numbers[k]], `Picture ${"AB"[k]}${told(numbers[k])}`));
    choices.forEach((choice, k) => choice.querySelectorAll("button").forEach((button, n) =>
      button.setAttribute("aria-pressed", n === numbers[k])));
    draw();
  }
  const button = (words, act) =>
    add(buttons, "button", { type: "button", textContent: words }).addEventListener("click", act);
  const all = (checked) => () => {
    rows.forEach(({ box }) => (box.checked = checked));
    draw();
  };
  button("All from A", all(false));
  button("All from B", all(true));
  button("Two others", () => {
    const one = Math.floor(Math.random() * album.length);
    numbers.splice(0, 2, one, (one + 1 + Math.floor(Math.random() * (album.length - 1))) % album.length);
    show();
  });
  const below = add(live, "div", { className: "choices" });
  const choices = ["A", "B"].map((name) => {
    const row = add(below, "div", { className: "choice" }, { role: "group", "aria-label": `Picture ${name}` });
    add(row, "span", { textContent: `${name}: ` });
    return row;
  });
  picturesOf(starts.sheet, network.shape).then((found) => {
    album = found;
    choices.forEach((row, k) => album.forEach((values, n) => {
      const one = add(row, "button", { type: "button" }, { "aria-label": `${"AB"[k]}: picture ${n + 1}${told(n)}` });
      screen(one, network.shape).show(values, "");
      one.firstChild.setAttribute("aria-hidden", true);
      one.addEventListener("click", () => {
        numbers[k] = n;
        show();
      });
    }));
    show();
  });
}
