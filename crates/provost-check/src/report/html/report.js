"use strict";
(() => {
  const form = document.querySelector(".filters");
  const search = document.getElementById("search");
  const rule = document.getElementById("rule");
  const subject = document.getElementById("subject");
  const shown = document.getElementById("shown");
  const levels = [...form.querySelectorAll("input[name=level]")];
  const all = [...document.querySelectorAll(".finding")].map((node) => ({
    node,
    text: node.textContent.toLowerCase(),
    level: node.dataset.level,
    rule: node.dataset.rule,
    subject: node.dataset.subject,
  }));
  let visible = all;

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const on = new Set(levels.filter((box) => box.checked).map((box) => box.value));
    visible = all.filter((f) =>
      on.has(f.level) &&
      (!rule.value || f.rule === rule.value) &&
      (!subject.value || f.subject === subject.value) &&
      words.every((word) => f.text.includes(word)));
    const keep = new Set(visible);
    for (const f of all) f.node.hidden = !keep.has(f);
    shown.textContent = `${visible.length} of ${all.length}`;
  };

  const step = (by) => {
    const at = visible.findIndex((f) => f.node === document.activeElement);
    const next = visible[at < 0 ? (by > 0 ? 0 : visible.length - 1) : at + by];
    if (!next) return;
    next.node.focus({ preventScroll: true });
    next.node.scrollIntoView({ block: "center" });
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      search.value = rule.value = subject.value = "";
      for (const box of levels) box.checked = true;
      filter();
      if (document.activeElement === search) search.blur();
      return;
    }
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "/") {
      event.preventDefault();
      search.focus();
    } else if (event.key === "j") {
      step(1);
    } else if (event.key === "k") {
      step(-1);
    }
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
})();
