// What all components share: elements, pictures on a canvas, keys that stay with their slider.

const add = (parent, tag, properties = {}, attributes = {}) => {
  const element = parent.appendChild(Object.assign(document.createElement(tag), properties));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

const signed = (value) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(2);

// A canvas of a picture's own size; the style sheet enlarges it. -> draw(values, label)
function screen(parent, [channels, height, width]) {
  const canvas = add(parent, "canvas", { width, height }, { role: "img" });
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  image.data.fill(255);
  const show = (values, label) => {
    for (let p = 0; p < width * height; p++)
      for (let c = 0; c < 3; c++)
        image.data[4 * p + c] = 255 * values[channels === 1 ? p : 3 * p + c] + 0.5;
    context.putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", label);
  };
  return { canvas, show };
}

// The pictures of a sheet, one beside another -> for each, its numbers between 0 and 1.
async function picturesOf(sheet, [channels, height, width]) {
  const image = Object.assign(new Image(), { src: sheet });
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return Array.from({ length: image.width / width }, (_, n) => {
    const { data } = context.getImageData(n * width, 0, width, height);
    const values = new Float32Array(channels * height * width);
    for (let p = 0; p < height * width; p++)
      for (let c = 0; c < channels; c++) values[p * channels + c] = data[4 * p + c] / 255;
    return values;
  });
}

// A slider with its name before it and its number behind it, in a grid of three columns.
function sliderIn(parent, name, { min, max, step, value = 0 }, read = signed) {
  const whole = add(parent, "label"), words = add(whole, "span");
  words.append(...[].concat(name));
  const range = add(whole, "input", { type: "range", min, max, step, value });
  const number = add(whole, "output");
  const set = (to) => {
    range.value = to;
    number.textContent = read(to);
    range.setAttribute("aria-valuetext", number.textContent);
  };
  set(value);
  return { whole, words, range, set };
}

// Many events, one drawing for each frame of the screen.
function oncePerFrame(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
}

// Takes the place of the contact sheet. JupyterLab and reveal.js have uses of their own for the
// arrow keys.
function takeOver(root) {
  root.querySelectorAll(".sheet").forEach((part) => part.remove());
  root.addEventListener("keydown", (event) => {
    if (/^(Arrow|Home|End|Page| )/.test(event.key)) event.stopPropagation();
  });
  return add(root, "div", { className: "live" });
}

// A button that starts and stops a movement: move(seconds since the start), for each frame. It
// stops when something else is touched, and does not start by itself where readers asked their
// system for less movement.
function player(parent, root, words, move, start = false) {
  const button = add(parent, "button", { type: "button" });
  let began = null;
  const say = () => {
    button.textContent = began === null ? words : "Stop";
    button.setAttribute("aria-pressed", began !== null);
  };
  const frame = (now) => {
    if (began === null || !root.isConnected) return;
    if (root.offsetParent !== null) move(Math.max(0, now - began) / 1000);
    requestAnimationFrame(frame);
  };
  const set = (on) => {
    began = on ? performance.now() : null;
    say();
    if (on) requestAnimationFrame(frame);
  };
  button.addEventListener("click", () => set(began === null));
  for (const kind of ["pointerdown", "keydown"])
    root.addEventListener(kind, (event) => {
      if (event.target !== button && event.key !== "Tab") set(false);
    });
  set(start && !matchMedia("(prefers-reduced-motion: reduce)").matches);
}
