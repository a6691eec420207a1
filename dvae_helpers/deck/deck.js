// Give every slide the largest figures and letters with which all of it can be seen.
(() => {
  const WIDTH = 1280, HEIGHT = 720, LETTERS = 28, MARGIN = 44, BELOW = 32; // as in deck.css
  const SMALL = 0.8, SMALLEST = 0.7; // parts of the usual size of letters
  const LINES = 12; // of code on one slide, at most; their letters have 24 px

  const size = (element) => element.getBoundingClientRect();
  const letters = (element) => parseFloat(getComputedStyle(element).fontSize);

  // How far the slide reaches below its last line, in pixels.
  function over(slide) {
    const shown = [...slide.children].filter((child) => child.tagName !== "ASIDE");
    const bottom = Math.max(...shown.map((child) => size(child).bottom));
    return Math.max(bottom - size(slide).top - (HEIGHT - BELOW), slide.scrollHeight - HEIGHT);
  }

  // Code has the letters that the style sheet gives it; a longer line is broken. What was printed
  // keeps its lines by smaller letters, unless they would be too small.
  function fitCode(slide) {
    for (const block of slide.querySelectorAll(".jp-OutputArea pre")) {
      block.style.fontSize = block.style.whiteSpace = "";
      const part = block.clientWidth / block.scrollWidth;
      if (part < SMALL) block.style.whiteSpace = "pre-wrap";
      else if (part < 1) block.style.fontSize = `${Math.floor(letters(block) * part * 9.9) / 10}px`;
    }
  }

  const lines = (block) => Math.round(block.clientHeight / parseFloat(getComputedStyle(block).lineHeight));
  const tooLong = (slide) => [...slide.querySelectorAll(".jp-InputArea pre")].find((block) => lines(block) > LINES);

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

  const room = (figure) => (figure.closest(".columns > div") || { clientWidth: WIDTH - 2 * MARGIN }).clientWidth;

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
      return Math.min(1.3, room(row[0]) / width);
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
  function sized(slide) {
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

  const own = (slide) => [...slide.children].filter((child) => child.tagName !== "ASIDE");
  const isText = (part) => !part.querySelector(".jp-CodeCell, .dvae") && !part.matches(".jp-CodeCell");

  // The text at the left, what it speaks of at the right. False if there are not both.
  function setBeside(slide) {
    const parts = own(slide), first = parts.findIndex((part) => !isText(part));
    if (first < 1 || parts.slice(first).some(isText) || slide.querySelector(".jp-InputArea pre")) return false;
    if (!slide.querySelector(".jp-OutputArea img, .jp-OutputArea pre, .jp-OutputArea table")) return false;
    const columns = document.createElement("div"), sides = [0, 1].map(() => document.createElement("div"));
    columns.className = "columns";
    columns.append(...sides);
    parts[0].before(columns);
    parts.forEach((part, n) => sides[n < first ? 0 : 1].append(part));
    return true;
  }
  function setBelow(slide) {
    const columns = slide.querySelector(":scope > .columns");
    if (columns) columns.replaceWith(...[...columns.children].flatMap((side) => [...side.children]));
  }

  // How well all can be seen: the smaller of letters and figures, next to their usual size.
  function seen(slide, part) {
    const figures = [...slide.querySelectorAll(".jp-OutputArea img")].filter((one) => !one.closest(".dvae"));
    return part * Math.min(1.1, ...figures.map((one) => size(one).width / wide(one)));
  }

  // Whether a formula within a line, which cannot be broken, reaches into the next column.
  const tooWide = (slide) => [...slide.querySelectorAll('.columns mjx-container:not([display="true"])')]
    .some((formula) => size(formula).right > size(formula.closest(".columns > div")).right + 1);

  // Text above or beside, whichever lets more be seen; returns what `sized` does.
  function fit(slide) {
    setBelow(slide);
    const below = sized(slide), seenBelow = seen(slide, below);
    if (!setBeside(slide)) return below;
    const beside = sized(slide);
    if (beside >= SMALL && seen(slide, beside) >= 0.95 * seenBelow && !tooWide(slide)) return beside;
    setBelow(slide);
    return sized(slide);
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
  function splitLines(slide, block = slide.querySelector("pre")) {
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
    const below = cut(slide, range);
    for (let last = block.lastChild; last && !last.textContent.trim(); last = block.lastChild) last.remove();
    return below;
  }

  // What stands from the start of `range` to the end of the slide moves to a new slide below.
  function cut(slide, range) {
    range.setEnd(slide, slide.childNodes.length);
    const below = document.createElement("section");
    below.append(range.extractContents());
    slide.after(below);
    below.querySelector(".fragment")?.classList.remove("fragment"); // a slide does not begin empty
    const notes = [...slide.querySelectorAll("aside"), ...below.querySelectorAll("aside")];
    for (const part of [slide, below]) // the lecturer reads the note beside either part
      if (!part.querySelector("aside")) part.append(...notes.map((note) => note.cloneNode(true)));
    complete(slide, slide.previousElementSibling);
    complete(below, slide);
    return below;
  }

  const BLOCKS = "p, ul, ol, blockquote, table";
  const headingOf = (slide) => [...slide.querySelectorAll("h1, h2, h3, h4")].find((one) => !one.closest("aside"));
  const blocks = (slide) => [...slide.querySelectorAll(".jp-MarkdownOutput, .carried")].filter((one) => !one.closest("aside"))
    .flatMap((one) => (one.matches(BLOCKS) ? [one] : [...one.children].filter((child) => child.matches(BLOCKS))));
  const words = (block) => block.textContent.trim().split(/\s+/).length + 4 * block.querySelectorAll("mjx-container").length;
  const carried = (block, tag = block.tagName) => {
    const copy = document.createElement(tag);
    copy.className = "carried";
    copy.append(...[...block.cloneNode(true).childNodes]);
    return copy;
  };

  // Of a long paragraph without formulas or lists, its last sentence.
  function shortened(block) {
    const sentences = block.textContent.trim().split(/(?<=[.?!]["”)]*)\s+/);
    if (block.tagName === "P" && words(block) > 45 && !block.querySelector("mjx-container") && sentences.length > 1)
      block.textContent = sentences.at(-1).trim();
    return block;
  }

  // A slide without a heading has that of the slide before; one without text has its last words,
  // or if that is a vote without any, those of the slide before the vote.
  function complete(slide, before) {
    if (!before) return;
    if (!blocks(slide).length) {
      let speaker = before;
      while (!blocks(speaker).length && speaker.querySelector(".dvae-vote") && speaker.previousElementSibling)
        speaker = speaker.previousElementSibling;
      const all = blocks(speaker).filter((block) => words(block) > 3);
      const said = all.filter((block) => block.tagName !== "TABLE"), last = said.at(-1); // a table is no remark
      const rest = said.slice(0, -1).reduce((sum, block) => sum + words(block), 0);
      const moved = last && last === all.at(-1) && rest > 15 && before.nextElementSibling === slide && own(before).every(isText);
      const title = slide.querySelector(":scope > h3.carried");
      const place = (one) => (title ? title.after(one) : slide.prepend(one));
      if (last) place(moved ? last : shortened(carried(last)));
      if (moved) last.classList.add("carried");
    }
    if (!headingOf(slide) && headingOf(before)) slide.prepend(carried(headingOf(before), "H3"));
  }

  // A figure, printed lines or short code join the text before them if all can be seen well.
  function joined(slide, before) {
    if (!before || before.parentElement !== slide.parentElement || blocks(slide).length) return false;
    if (!own(before).every(isText) || !blocks(before).length) return false;
    const fragment = document.createElement("div"), parts = own(slide), notes = [...slide.querySelectorAll("aside")];
    fragment.className = "fragment";
    fragment.append(...parts);
    before.append(fragment);
    if (!tooLong(before) && fit(before) >= 0.85 && seen(before, 1) >= 0.9) {
      before.append(...notes);
      slide.remove();
      return true;
    }
    setBelow(before);
    slide.prepend(...fragment.childNodes);
    fragment.remove();
    return false;
  }

  function arrange(slide) {
    const long = tooLong(slide);
    if (long) {
      const below = own(slide).length > 1 && apart(slide, long) || splitLines(slide, long);
      if (below) return [slide, below].forEach(arrange);
    }
    if (fit(slide) >= SMALL - 0.01) return;
    setBelow(slide);
    const below = split(slide);
    if (below) [slide, below].forEach(arrange);
  }

  // A long block of code leaves the text before it, or the cells below; null if it stands alone.
  function apart(slide, block) {
    const cell = block.closest(".jp-CodeCell"), range = document.createRange();
    const cells = [...slide.querySelectorAll(".jp-Cell")].filter((one) => !one.closest("aside") && size(one).height > 0);
    if (cells[0] !== cell) range.setStartBefore(cell);
    else if (cells[1]) range.setStartBefore(cells[1]);
    else return null;
    return cut(slide, range);
  }

  async function start() {
    await MathJax.startup.promise;
    await MathJax.typesetPromise();
    await Promise.allSettled([...document.images].map((picture) => picture.decode()));
    const page = document.querySelector(".reveal");
    let before = null;
    for (const slide of page.querySelectorAll(".slides > section > section")) {
      if (before && own(slide).every((part) => !size(part).height)) {
        before.append(...slide.querySelectorAll("aside")); // hidden code that printed nothing
        slide.remove();
        continue;
      }
      if (joined(slide, before)) continue;
      complete(slide, before);
      before = slide;
    }
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
