// Give every slide the largest figures and letters with which all of it can be seen.
(() => {
  const WIDTH = 1280, HEIGHT = 720, LETTERS = 28, MARGIN = 44, BELOW = 32; // as in deck.css
  const SMALL = 0.8, SMALLEST = 0.7; // parts of the usual size of letters

  const size = (element) => element.getBoundingClientRect();
  const letters = (element) => parseFloat(getComputedStyle(element).fontSize);

  // How far the slide reaches below its last line, in pixels.
  function over(slide) {
    const shown = [...slide.children].filter((child) => child.tagName !== "ASIDE");
    const bottom = Math.max(...shown.map((child) => size(child).bottom));
    return Math.max(bottom - size(slide).top - (HEIGHT - BELOW), slide.scrollHeight - HEIGHT);
  }

  // Code keeps its lines: a long line makes the letters of its block smaller. Only what was
  // printed, which may be far longer, is broken.
  function fitCode(slide) {
    for (const block of slide.querySelectorAll("pre")) {
      block.style.fontSize = block.style.whiteSpace = "";
      const part = block.clientWidth / block.scrollWidth;
      if (part < SMALL && block.closest(".jp-OutputArea")) block.style.whiteSpace = "pre-wrap";
      else if (part < 1) block.style.fontSize = `${Math.floor(letters(block) * part * 9.9) / 10}px`;
    }
  }

  // A formula or a table that is too wide is made smaller alone.
  function fitWide(slide) {
    for (const wide of slide.querySelectorAll('mjx-container[display="true"], table')) {
      wide.style.fontSize = "";
      const inside = wide.tagName === "TABLE" ? wide : wide.querySelector("svg");
      const part = wide.parentElement.clientWidth / size(inside).width;
      if (part < 1) wide.style.fontSize = `${letters(wide) * part * 0.99}px`;
    }
  }

  // The size of a figure in a page; its file has more pixels.
  const wide = (figure) => Number(figure.dataset.width) || figure.naturalWidth;
  const high = (figure) => (wide(figure) * figure.naturalHeight) / figure.naturalWidth;

  // Figures, side by side in rows, grow to 1.3 times their size, then share the height that the
  // text leaves. False if that makes one smaller than `least` of its own size.
  function fitFigures(slide, least) {
    const rows = new Map();
    for (const figure of slide.querySelectorAll("img")) {
      const row = figure.closest(".pictures") || figure;
      rows.set(row, [...(rows.get(row) || []), figure]);
    }
    const scales = [...rows.values()].map((row) => {
      const width = row.reduce((sum, figure) => sum + wide(figure) + 30, -30);
      return Math.min(1.3, (WIDTH - 2 * MARGIN) / width);
    });
    const draw = (part) => [...rows.values()].forEach((row, i) => {
      for (const figure of row) figure.style.height = `${high(figure) * scales[i] * part}px`;
    });
    draw(1);
    const excess = over(slide);
    if (excess <= 0 || !rows.size) return excess <= 0;
    const all = [...rows.keys()].reduce((sum, row) => sum + size(row).height, 0);
    const part = (all - excess - 2) / all;
    const smallest = Math.min(...scales);
    draw(Math.max(part, least / smallest));
    return part * smallest >= least && over(slide) <= 0;
  }

  // First smaller figures, then smaller letters, then figures smaller still.
  // Returns the size of the letters; less than SMALL if they or the figures are too small to be
  // read with ease, 0 if nothing helps.
  function fit(slide) {
    for (const [figures, smallest] of [[0.9, 0.9], [0.7, SMALL], [0.6, SMALLEST]]) {
      for (let part = 1; part > smallest - 0.01; part -= 0.05) {
        slide.style.fontSize = `${LETTERS * part}px`;
        fitCode(slide);
        fitWide(slide);
        if (fitFigures(slide, figures)) return figures < 0.7 ? Math.min(part, SMALLEST) : part;
      }
    }
    return 0;
  }

  // A slide that is too long goes on below, on a slide of its own.
  function split(slide) {
    const pieces = [...slide.querySelectorAll(".jp-MarkdownCell, .jp-Cell-inputWrapper, .jp-Cell-outputWrapper")]
      .filter((piece) => !piece.closest("aside") && !piece.parentElement.closest(".jp-MarkdownCell"))
      .filter((piece) => size(piece).height > 0);
    if (pieces.length < 2) return splitLines(slide);
    const top = size(pieces[0]).top, bottom = size(pieces.at(-1)).bottom;
    const longer = (piece) => Math.max(size(piece).top - top, bottom - size(piece).top);
    const first = pieces.slice(1).reduce((a, b) => (longer(b) < longer(a) ? b : a));
    const range = document.createRange();
    range.setStartBefore(first);
    return cut(slide, range);
  }

  // One block of code alone is cut near its middle, where a line begins without an indent.
  function splitLines(slide) {
    const block = slide.querySelector("pre");
    if (!block) return null;
    const lines = block.textContent.split("\n");
    const middle = lines.length / 2;
    const cost = (i) => Math.abs(i - middle) + (/^\s/.test(lines[i]) ? lines.length / 5 : 0);
    const starts = lines.map((_, i) => i).slice(2, -2);
    if (!starts.length) return null;
    const best = starts.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    let left = lines.slice(0, best).join("\n").length + 1;
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    while (walker.nextNode() && walker.currentNode.length <= left) left -= walker.currentNode.length;
    const range = document.createRange();
    range.setStart(walker.currentNode, left);
    return cut(slide, range);
  }

  // What stands from the start of `range` to the end of the slide moves to a new slide below.
  function cut(slide, range) {
    range.setEnd(slide, slide.childNodes.length);
    const below = document.createElement("section");
    below.append(range.extractContents());
    slide.after(below);
    below.querySelector(".fragment")?.classList.remove("fragment"); // a slide does not begin empty
    return below;
  }

  function arrange(slide) {
    if (fit(slide) >= SMALL - 0.01) return;
    const below = split(slide);
    if (below) [slide, below].forEach(arrange);
  }

  async function start() {
    await MathJax.startup.promise;
    await MathJax.typesetPromise();
    await Promise.allSettled([...document.images].map((picture) => picture.decode()));
    const page = document.querySelector(".reveal");
    page.querySelectorAll(".slides > section > section").forEach(arrange);
    page.classList.remove("measuring");
    await Reveal.initialize({
      width: WIDTH,
      height: HEIGHT,
      margin: 0,
      center: false,
      hash: true,
      slideNumber: "c/t",
      transition: "none",
      backgroundTransition: "none",
      pdfSeparateFragments: false,
      pdfMaxPagesPerSlide: 1,
      plugins: [RevealNotes],
    });
  }
  deck.ready = start();
})();
