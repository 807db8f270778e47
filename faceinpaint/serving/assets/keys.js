// A key for each button; not while somebody types their name. A key that is held down decides once: the next picture
// has not been seen.
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, [contenteditable]")) return;
  const button = (id) => document.querySelector(`#${id}`);
  const tool = (label) => document.querySelector(`#editor button[aria-label="${label}"]`);
  const actions = {
    a: () => button("accept"), r: () => button("reject"), s: () => button("skip"), u: () => button("undo"),
    p: () => button("restore"), b: () => tool("Brush"), e: () => tool("Erase"),
    "+": () => tool("Zoom in"), "=": () => tool("Zoom in"), "-": () => tool("Zoom out"),
  };
  const action = actions[event.key.toLowerCase()];
  const target = action && action();
  if (!target || (event.repeat && !"+=-".includes(event.key))) return;
  event.preventDefault();
  event.stopPropagation();
  target.click();
}, true);
