/** The console: its head, its connection to the server, and the page that the address names. */
import { html, render, useEffect, useState } from "./vendor/htm-preact.js";
import { useAddress, watchAddress } from "./core/address.js";
import { useOnline, useReturn, watchConnection } from "./core/connection.js";
import { logOut, may, readSession, useSession, watchSession } from "./core/session.js";
import { fill, t } from "./core/strings.js";
import { NeedsModel } from "./parts/learning/first.js";
import { Notice, Problem } from "./parts/notice.js";
import { Calls } from "./parts/watching/calls.js";

const PAGES = ["live", "stations", "recipes", "try", "review", "watch", "models", "learn", "health", "audit", "inspection", "words"];
const SHOWN = ["live", "stations", "recipes", "try", "review", "watch", "models", "learn", "health", "audit"];
const NEED_MODELS = ["live", "try", "models"];
const SIGNS = { system: "◐", light: "☀", dark: "☾" };
const THEMES = Object.keys(SIGNS);

function Shell() {
  const { page } = useAddress();
  const session = useSession();
  const online = useOnline();
  const [failed, setFailed] = useState(null);
  useEffect(() => {
    if (session.state === "unknown") readSession().then(() => setFailed(null), setFailed);
  }, [session.state, online]);
  // Before it is known what a caller may do, a link might move away under his finger.
  const shown = session.state === "unknown" && !failed ? [] : SHOWN.filter((name) => name !== "learn" || may("operate"));
  return html`
    <a class="skip" href="#content">${t.shell.skip}</a>
    <header class="head">
      <a class="brand" href="/console/live">Takt</a>
      <nav aria-label=${t.shell.pages}>
        ${shown.map(
          (name) => html`<a href=${`/console/${name}`} aria-current=${name === page ? "page" : null}>${t[name].title}
            ${name === "watch" && session.state === "known" && html`<${Calls} />`}</a>`,
        )}
      </nav>
      <${Theme} />
      <${Who} session=${session} onFailed=${setFailed} />
      <p class="unseen" aria-live="polite">${session.state === "known" && PAGES.includes(page) && t[page].title}</p>
    </header>
    <div aria-live="assertive">
      ${!online && html`<${Notice} tone="defect" title=${t.problem.away}><p>${t.problem.awayDetail}</p><//>`}
    </div>
    <main id="content" tabindex="-1">
      <${Problem} error=${session.state === "stranger" ? null : failed} />
      ${session.state === "known" && html`<${Loaded} key=${page} name=${PAGES.includes(page) ? page : null} />`}
      ${session.state === "stranger" && html`<${Loaded} key="login" name="login" />`}
    </main>
  `;
}

/** A page's module, loaded when it is first shown. */
function Loaded({ name }) {
  const [loaded, setLoaded] = useState({});
  useReturn(() => loaded.error && location.reload()); // a browser tries no module again
  useEffect(() => {
    document.title = name ? fill(t.shell.document, { page: t[name].title }) : "Takt";
    const page = name && import(`./pages/${name}/page.js`);
    page?.then(
      (module) => setLoaded({ Page: module.default }),
      (error) => setLoaded({ error }),
    );
  }, [name]);
  if (name === null) return html`<h1>${t.shell.nowhere}</h1><p><a href="/console/live">${t.live.title}</a></p>`;
  if (loaded.error) return html`<${Problem} error=${loaded.error} />`;
  if (!loaded.Page) return html`<p class="quiet">${t.shell.loading}</p>`;
  const shown = html`<${loaded.Page} />`;
  return NEED_MODELS.includes(name) ? html`<${NeedsModel} page=${name}>${shown}<//>` : shown;
}

function Who({ session, onFailed }) {
  if (session.state !== "known" || !session.demandsKey) return null;
  const leave = () => logOut().then(onFailed, (error) => [0, 401].includes(error.status) || onFailed(error)); // away is told, out is out
  return html`<span class="who">${session.caller}</span>
    <button type="button" class="button plain" onClick=${leave}>${t.login.out}</button>`;
}

function Theme() {
  const [theme, setTheme] = useState(() => localStorage.getItem("theme") ?? THEMES[0]);
  document.documentElement.dataset.theme = theme;
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  const choose = () => (localStorage.setItem("theme", next), setTheme(next));
  const name = t.shell.theme[theme];
  return html`<button type="button" class="button plain" aria-label=${name} title=${name} onClick=${choose}>${SIGNS[theme]}</button>`;
}

watchAddress();
watchConnection();
watchSession();
render(html`<${Shell} />`, document.body);
