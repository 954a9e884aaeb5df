// A page whose session is over leads to the login, also when its socket is gone and nothing can tell it so. And a page
// that is looked at asks every few seconds whether anybody answers: a server that hangs keeps its sockets open, and
// what is shown is old long before they are given up.
(() => {
  const prefix = document.currentScript.dataset.prefix;
  const WATCHED_MS = 3000;
  const HIDDEN_MS = 15000;
  const LOST_MS = 2000;
  const PATIENCE_MS = 4000;
  let asked = Date.now();
  let asking = false;

  let said = false;

  // NiceGUI's own words, said earlier; it takes them back itself when its socket was lost, too.
  function unanswered(holds) {
    const popup = document.getElementById("popup");
    if (!popup) return;
    if (holds) {
      popup.ariaHidden = "false";
      said = true;
    } else if (said && window.socket?.connected) {
      popup.ariaHidden = "true";
      said = false;
    }
  }

  async function ask() {
    if (asking) return;
    asking = true;
    asked = Date.now();
    const patience = new AbortController();
    const over = setTimeout(() => patience.abort(), PATIENCE_MS);
    try {
      const answer = await fetch(prefix + "/session", { cache: "no-store", signal: patience.signal });
      unanswered(false);
      if (answer.status === 401) {
        const here = location.pathname + location.search;
        location.assign(prefix + "/login?next=" + encodeURIComponent(here));
      }
    } catch {
      unanswered(true);
    } finally {
      clearTimeout(over);
      asking = false;
    }
  }

  const lost = () => document.getElementById("popup")?.getAttribute("aria-hidden") === "false";
  const pause = () => (lost() ? LOST_MS : document.hidden ? HIDDEN_MS : WATCHED_MS);
  setInterval(() => {
    if (Date.now() - asked >= pause()) ask();
  }, 500);
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  window.addEventListener("pageshow", (event) => event.persisted && ask());
})();
