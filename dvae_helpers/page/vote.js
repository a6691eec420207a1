// Choices as buttons. The first one that is pressed is the vote: it is judged, and the reason is told.
function vote(root, { question, choices, answer, because }) {
  const add = (parent, tag, properties = {}) =>
    parent.appendChild(Object.assign(document.createElement(tag), properties));
  root.querySelector(".still").remove();
  const field = add(root, "fieldset");
  add(field, "legend", { className: "question", textContent: question });
  const list = add(field, "div", { className: "choices" });
  const right = "Right: ", wrong = `No, it is ${"ABCDEF"[answer]}: `;
  const buttons = choices.map((choice, n) => {
    const button = add(list, "button", { type: "button" });
    add(button, "b", { textContent: "ABCDEF"[n] });
    add(button, "span", { textContent: choice });
    add(button, "i").setAttribute("aria-hidden", "true");
    button.addEventListener("click", () => choose(n));
    return button;
  });
  // An unseen copy keeps the room for the reason, so that a slide does not grow when it is told.
  const told = add(field, "div", { className: "told" });
  add(told, "p", { className: "room", textContent: wrong + because }).setAttribute("aria-hidden", "true");
  const reason = add(told, "p");
  reason.setAttribute("role", "status");
  const again = add(field, "button", { type: "button", className: "again", textContent: "Ask again" });
  again.addEventListener("click", () => {
    show(null);
    buttons[0].focus();
  });
  let chosen = null;
  const choose = (n) => {
    if (chosen === null) show(n);
  };
  function show(n) {
    chosen = n;
    reason.textContent = n === null ? "" : (n === answer ? right : wrong) + because;
    again.style.visibility = n === null ? "hidden" : "visible";
    for (const [k, button] of buttons.entries()) {
      button.setAttribute("aria-pressed", k === n);
      button.setAttribute("aria-disabled", n !== null);
      const mark = n === null ? "" : k === answer ? "right" : k === n ? "wrong" : "other";
      button.className = mark;
      button.lastChild.textContent = mark === "right" ? "\u2713" : mark === "wrong" ? "\u2717" : "";
    }
  }
  show(null);
  // Space and Enter press a button here; on a slide and in JupyterLab they have other uses, which
  // they get back once the vote is given.
  root.addEventListener("keydown", (event) => {
    const open = chosen === null || event.target === again;
    if (open && (event.key === " " || event.key === "Enter")) event.stopPropagation();
  });
}
