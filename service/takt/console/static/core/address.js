/** The address says what is shown, so that a view can be shared, and the browser's back goes back. */
import { createStore } from "./store.js";

const ROOT = "/console/";
const FIRST = "live";

const address = createStore(read());

/** The hook: `{ page, rest, query }` of "/console/PAGE/REST…?QUERY"; `query` is a URLSearchParams. */
export const useAddress = () => address.use();

/** Goes to a page of the console: navigate("/console/review", { verdict: "anomalous" }). */
export function navigate(path, query = {}, { replace = false } = {}) {
  const parts = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null && value !== undefined));
  const text = parts.size ? `${path}?${parts}` : path;
  if (text === location.pathname + location.search + location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", text);
  address.set(read());
}

/** Changes parts of the query and keeps the others; null takes one away. */
export function setQuery(changes, { replace = true } = {}) {
  navigate(location.pathname, { ...Object.fromEntries(address.get().query), ...changes }, { replace });
}

/** Begins to follow links and the browser's back and forward. */
export function watchAddress() {
  addEventListener("popstate", () => address.set(read()));
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (!link.pathname.startsWith(ROOT) || link.getAttribute("href").startsWith("#")) return;
    event.preventDefault();
    navigate(link.pathname + link.search + link.hash);
  });
}

function read() {
  const [page, ...rest] = location.pathname.slice(ROOT.length).split("/").filter(Boolean).map(decoded);
  return { page: page ?? FIRST, rest, query: new URLSearchParams(location.search) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
