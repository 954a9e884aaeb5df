// A page whose session is over leads to the login, also when its socket is gone and nothing can tell it so.
(() => {
  const prefix = document.currentScript.dataset.prefix;
  const EVERY_MS = 15000;
  const LOST_MS = 2000;
  let asked = Date.now();
  let asking = false;

  async function ask() {
    if (asking) return;
    asking = true;
    asked = Date.now();
    try {
      const answer = await fetch(prefix + "/session", { cache: "no-store" });
      if (answer.status === 401) {
        const here = location.pathname + location.search;
        location.assign(prefix + "/login?next=" + encodeURIComponent(here));
      }
    } catch {
      // The server is gone: the page says so already.
    } finally {
      asking = false;
    }
  }

  const lost = () => document.getElementById("popup")?.getAttribute("aria-hidden") === "false";
  setInterval(() => {
    if (Date.now() - asked >= (lost() ? LOST_MS : EVERY_MS)) ask();
  }, 1000);
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  window.addEventListener("pageshow", (event) => event.persisted && ask());
})();
