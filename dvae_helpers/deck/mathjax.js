// `deck.ready` is fulfilled when formulas are set, every slide has its size and reveal.js runs.
var deck = {};
var MathJax = {
  tex: {
    inlineMath: [["$", "$"], ["\\(", "\\)"]],
    displayMath: [["$$", "$$"], ["\\[", "\\]"]],
    tags: "none",
    // The first two would fetch what is missing from the network, the third would hide it.
    packages: { "[-]": ["autoload", "require", "noundefined"] },
  },
  svg: { fontCache: "local" },
  options: { enableMenu: false, ignoreHtmlClass: "jp-CodeCell" },
  startup: { typeset: false },
};
