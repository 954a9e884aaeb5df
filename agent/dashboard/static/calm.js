// NiceGUI says anew with every change of a page which colours it has, and a browser that is told so works out the style
// of every element and paints all of the page, also where they are the same: only other colours are news.
"use strict";
(() => {
  const meta = document.getElementById("nicegui-color-scheme");
  if (!meta) return;
  const set = meta.setAttribute.bind(meta);
  meta.setAttribute = (name, value) => {
    if (meta.getAttribute(name) !== value) set(name, value);
  };
})();
