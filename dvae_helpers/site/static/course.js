// A formula that is wider than the page can be scrolled with the keys once it can be reached by them.
const reachable = () =>
  document.querySelectorAll('mjx-container[display="true"]').forEach((one) => {
    if (one.scrollWidth > one.clientWidth) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  });
addEventListener("load", () => window.MathJax?.startup?.promise?.then(reachable));
addEventListener("resize", reachable);
